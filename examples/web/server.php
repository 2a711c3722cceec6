<?php
// A web server in PHP: its page shows what it publishes. It is started by
//   php -S localhost:3000 examples/web/server.php

$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($route === 'GET /') {
    header('Content-Type: text/html; charset=utf-8');
    $values = ['{server}' => 'PHP', '{stream}' => getenv('STREAM') ?: 'http://localhost:8080'];
    echo strtr(file_get_contents(__DIR__ . '/index.html'), $values);
} elseif ($route === 'GET /page.css') {
    header('Content-Type: text/css; charset=utf-8');
    readfile(__DIR__ . '/../style/page.css');
} elseif ($route === 'POST /publish') {
    $text = $_POST['text'] ?? '';
    if (!is_string($text) || $text === '' || strlen($text) > 800) {
        http_response_code(400);
        exit;
    }
    $url = parse_url(getenv('SB_REDIS') ?: 'redis://127.0.0.1:6380');
    $redis = new Redis();
    $redis->pconnect($url['host'], $url['port'] ?? 6379, 2.0);
    $redis->publish('sb:feed:messages', json_encode(['text' => $text, 'by' => 'PHP'], JSON_THROW_ON_ERROR));
    http_response_code(204);
} else {
    http_response_code(404);
}
