<?php
// Publishes one message, as a web server in PHP does.

$url = parse_url(getenv('SB_REDIS') ?: 'redis://127.0.0.1:6380');
$redis = new Redis();
try {
    $redis->connect($url['host'], $url['port'] ?? 6379, 2.0);
    if (isset($url['pass'])) {
        $redis->auth(array_filter([$url['user'] ?? '', $url['pass']]));
    }
} catch (RedisException $e) {
    fwrite(STDERR, "Redis: {$e->getMessage()}\n");
    exit(1);
}

/** Sends data to everybody who listens to channel. */
function stream(Redis $redis, string $channel, mixed $data): void
{
    $prefix = getenv('SB_REDIS_PREFIX');
    $json = json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
    $redis->publish(($prefix === false ? 'sb:' : $prefix) . $channel, $json);
}

$channel = $argv[1] ?? 'feed:football:fantasy';
stream($redis, $channel, json_decode($argv[2] ?? '{"goal":1}', flags: JSON_THROW_ON_ERROR));
