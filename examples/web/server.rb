# A web server in Ruby, with Sinatra: its page shows what it publishes.
require "json"
require "redis"
require "sinatra"

set :bind, "localhost"
set :port, ENV.fetch("PORT", 3000)
set :server, "webrick"
REDIS = Redis.new(url: ENV.fetch("SB_REDIS", "redis://127.0.0.1:6380"))
PAGE = File.read(File.join(__dir__, "index.html"), encoding: "UTF-8")
           .gsub("{server}", "Sinatra")
           .gsub("{stream}", ENV.fetch("STREAM", "http://localhost:8080"))

get "/" do
  PAGE
end

get "/page.css" do
  send_file File.join(__dir__, "../style/page.css")
end

post "/publish" do
  text = params["text"].to_s
  halt 400 unless (1..200).cover?(text.length)
  REDIS.publish("sb:feed:messages", JSON.generate(text: text, by: "Sinatra"))
  204
end
