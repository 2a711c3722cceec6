# Publishes one message, as a web server in Ruby does.
require "json"
require "redis"

PREFIX = ENV.fetch("SB_REDIS_PREFIX", "sb:")
PARTITIONS = ENV.fetch("SB_STREAM_PARTITIONS", "1").to_i # as the stream server's --stream-partitions
REDIS = Redis.new(url: ENV.fetch("SB_REDIS", "redis://127.0.0.1:6380"))

# Sends data to everybody who listens to channel.
def stream(channel, data)
  REDIS.publish(PREFIX + channel, JSON.generate(data))
end

# The same, and Redis keeps it for those who are away; it returns its id.
def stream_durable(channel, data)
  REDIS.xadd(stream_key(channel), { channel: channel, data: JSON.generate(data) }, maxlen: 100_000, approximate: true)
end

# The stream of a channel: the one of its CRC-16, as Redis Cluster computes it.
def stream_key(channel)
  return "#{PREFIX}stream" if PARTITIONS <= 1

  crc = channel.each_byte.reduce(0) do |sum, byte|
    8.times.reduce(sum ^ (byte << 8)) { |c, _| ((c << 1) ^ (c[15] == 1 ? 0x1021 : 0)) & 0xffff }
  end
  "#{PREFIX}stream:{#{crc % PARTITIONS}}"
end

begin
  channel, data, durable = ARGV
  send(durable == "durable" ? :stream_durable : :stream, channel || "feed:football:fantasy", JSON.parse(data || '{"goal":1}'))
rescue Redis::BaseError => e
  abort "Redis: #{e.message}"
end
