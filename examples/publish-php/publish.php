<?php
// Publishes one message, as a web server in PHP does.

$url = parse_url(getenv('SB_REDIS') ?: 'redis://127.0.0.1:6380');
$redis = new Redis();
try {
    $tls = ($url['scheme'] ?? '') === 'rediss' ? 'tls://' : '';
    $redis->connect($tls . $url['host'], $url['port'] ?? 6379, 2.0);
    if (isset($url['pass'])) {
        $redis->auth(array_filter([$url['user'] ?? '', $url['pass']]));
    }
} catch (RedisException $e) {
    fwrite(STDERR, "Redis: {$e->getMessage()}\n");
    exit(1);
}

/** What stands before a channel's name. */
function prefix(): string
{
    $prefix = getenv('SB_REDIS_PREFIX');
    return $prefix === false ? 'sb:' : $prefix;
}

function json(mixed $data): string
{
    return json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
}

/** Sends data to everybody who listens to channel. */
function stream(Redis $redis, string $channel, mixed $data): void
{
    $redis->publish(prefix() . $channel, json($data));
}

/** The same, and Redis keeps it for those who are away; it returns its id. */
function streamDurable(Redis $redis, string $channel, mixed $data): string
{
    $id = $redis->xAdd(streamKey($channel), '*', ['channel' => $channel, 'data' => json($data)], 100000, true);
    return $id !== false ? $id : throw new RedisException((string) $redis->getLastError());
}

/** The stream of a channel: the one of its CRC-16, as Redis Cluster computes it. */
function streamKey(string $channel): string
{
    $partitions = (int) (getenv('SB_STREAM_PARTITIONS') ?: 1); // as the stream server's --stream-partitions
    if ($partitions <= 1) {
        return prefix() . 'stream';
    }
    $crc = 0;
    foreach (unpack('C*', $channel) as $byte) {
        $crc ^= $byte << 8;
        for ($bit = 0; $bit < 8; $bit++) {
            $crc = (($crc << 1) ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
        }
    }
    return prefix() . 'stream:{' . $crc % $partitions . '}';
}

$channel = $argv[1] ?? 'feed:football:fantasy';
$data = json_decode($argv[2] ?? '{"goal":1}', flags: JSON_THROW_ON_ERROR);
($argv[3] ?? '') === 'durable' ? streamDurable($redis, $channel, $data) : stream($redis, $channel, $data);
