# Publishes one message, as a web server in Ruby does.
require "json"
require "redis"

PREFIX = ENV.fetch("SB_REDIS_PREFIX", "sb:")
REDIS = Redis.new(url: ENV.fetch("SB_REDIS", "redis://127.0.0.1:6380"))

# Sends data to everybody who listens to channel.
def stream(channel, data)
  REDIS.publish(PREFIX + channel, JSON.generate(data))
end

begin
  stream(ARGV[0] || "feed:football:fantasy", JSON.parse(ARGV[1] || '{"goal":1}'))
rescue Redis::BaseError => e
  abort "Redis: #{e.message}"
end
