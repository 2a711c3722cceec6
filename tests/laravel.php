<?php
// What Laravel's Redis broadcaster does with broadcast(channels, event, payload):
// one EVAL of its script, the payload as JSON, names with Laravel's prefix.
// php laravel.php PORT PREFIX CHANNELS EVENT PAYLOAD
[, $port, $prefix, $channels, $event, $payload] = $argv;
$payload = json_decode($payload, true);
$socket = $payload['socket'] ?? null;
$message = json_encode(['event' => $event, 'data' => $payload, 'socket' => $socket]);
$redis = new Redis();
$redis->connect('127.0.0.1', (int) $port);
$names = array_map(fn ($channel) => $prefix . $channel, explode(',', $channels));
$redis->eval(<<<'LUA'
for i = 2, #ARGV do
  redis.call('publish', ARGV[i], ARGV[1])
end
LUA, [$message, ...$names], 0);
if ($redis->getLastError()) exit($redis->getLastError());
