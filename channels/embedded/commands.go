package embedded

import (
	"strconv"
	"strings"

	"github.com/sb-stream/stream-server/channels/embedded/resp"
)

// A command is what a client may say, with how many arguments.
type command struct {
	least, most int
	open        bool // also before AUTH
	run         func(c *client, args [][]byte)
}

// anyNumber is a number of arguments that the reader limits.
const anyNumber = maxArgs

// commands are those that clients send when they connect, PUBLISH and XADD. Those
// that somebody will try are refused with what to do instead.
var commands = map[string]command{
	"HELLO":   {0, anyNumber, true, hello},
	"AUTH":    {1, 2, true, auth},
	"QUIT":    {0, 0, true, quit},
	"RESET":   {0, 0, true, reset},
	"PING":    {0, 1, false, ping},
	"ECHO":    {1, 1, false, func(c *client, args [][]byte) { c.bulk(string(args[0])) }},
	"SELECT":  {1, 1, false, selectDB},
	"CLIENT":  {1, anyNumber, false, clientCommand},
	"COMMAND": {0, anyNumber, false, commandCommand},
	"INFO":    {0, anyNumber, false, info},

	"PUBLISH":  {2, 2, false, publish},
	"SPUBLISH": {2, 2, false, publish},
	"PUBSUB":   {1, anyNumber, false, pubsub},

	"EVAL": {2, anyNumber, false, eval},

	"XADD":   {0, anyNumber, false, xadd},
	"XLEN":   {1, 1, false, xlen},
	"XRANGE": {3, 5, false, xrange},

	"SUBSCRIBE":  {0, anyNumber, false, refuseToListen},
	"PSUBSCRIBE": {0, anyNumber, false, refuseToListen},
	"SSUBSCRIBE": {0, anyNumber, false, refuseToListen},
	"MONITOR":    {0, anyNumber, false, refuseToListen},
}

// reportedVersion is the Redis that clients are told to expect.
const reportedVersion = "7.0.0"

var refuseToListen = refuse("the embedded broker takes messages only: listen with Socket.IO or `stream-server subscribe`, or run with --redis")

func refuse(text string) func(*client, [][]byte) {
	return func(c *client, _ [][]byte) { c.error("ERR " + text) }
}

// hello is HELLO [version [AUTH user password] [SETNAME name]].
func hello(c *client, args [][]byte) {
	version := c.version
	if len(args) > 0 {
		n, err := strconv.Atoi(string(args[0]))
		if err != nil || n != 2 && n != 3 {
			c.error("NOPROTO unsupported protocol version")
			return
		}
		version, args = n, args[1:]
	}
	name := c.name
	for len(args) > 0 {
		switch option := strings.ToUpper(string(args[0])); {
		case option == "AUTH" && len(args) >= 3:
			if !c.authenticate(args[1], args[2]) {
				return
			}
			args = args[3:]
		case option == "SETNAME" && len(args) >= 2:
			name, args = string(args[1]), args[2:]
		default:
			c.error("ERR syntax error in HELLO")
			return
		}
	}
	if !c.known {
		c.error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used")
		return
	}
	c.version, c.name = version, name
	c.out = resp.AppendMap(c.out, version, 7)
	c.bulk("server")
	c.bulk("redis")
	c.bulk("version")
	c.bulk(reportedVersion)
	c.bulk("proto")
	c.int(version)
	c.bulk("id")
	c.int(c.id)
	c.bulk("mode")
	c.bulk("standalone")
	c.bulk("role")
	c.bulk("master")
	c.bulk("modules")
	c.out = resp.AppendArray(c.out, 0)
}

// auth is AUTH [user] password.
func auth(c *client, args [][]byte) {
	if len(c.broker.passwords) == 0 {
		c.error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		return
	}
	var user []byte
	if len(args) == 2 {
		user = args[0]
	}
	if c.authenticate(user, args[len(args)-1]) {
		c.ok()
	}
}

func quit(c *client, _ [][]byte) {
	c.ok()
	c.quit = true
}

func reset(c *client, _ [][]byte) {
	c.forget()
	c.version, c.name = 2, ""
	c.simple("RESET")
}

func ping(c *client, args [][]byte) {
	if len(args) == 1 {
		c.bulk(string(args[0]))
		return
	}
	c.simple("PONG")
}

func selectDB(c *client, args [][]byte) {
	if string(args[0]) != "0" {
		c.error("ERR DB index is out of range")
		return
	}
	c.ok()
}

// clientCommand is CLIENT, by which clients say who they are.
func clientCommand(c *client, args [][]byte) {
	switch sub := strings.ToUpper(string(args[0])); {
	case sub == "SETNAME" && len(args) == 2:
		c.name = string(args[1])
		c.ok()
	case sub == "GETNAME" && len(args) == 1:
		c.bulk(c.name)
	case sub == "ID" && len(args) == 1:
		c.int(c.id)
	case sub == "SETINFO" && len(args) == 3, sub == "NO-EVICT" && len(args) == 2, sub == "NO-TOUCH" && len(args) == 2:
		c.ok()
	default:
		c.error("ERR unknown CLIENT subcommand")
	}
}

// commandCommand is COMMAND, which redis-cli asks for hints: there are none.
func commandCommand(c *client, _ [][]byte) { c.out = resp.AppendArray(c.out, 0) }

// info is what clients look at before they call a server ready.
func info(c *client, _ [][]byte) {
	c.bulk("# Server\r\nredis_version:" + reportedVersion + "\r\nredis_mode:standalone\r\n" +
		"# Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n")
}

func publish(c *client, args [][]byte) { c.int(c.publish(args[0], args[1])) }

// publishScript is what Laravel publishes with, its white space aside.
const publishScript = "for i = 2, #ARGV do redis.call('publish', ARGV[i], ARGV[1]) end"

// eval is EVAL of that script, with a message and channels.
func eval(c *client, args [][]byte) {
	if strings.Join(strings.Fields(string(args[0])), " ") != publishScript || string(args[1]) != "0" || len(args) < 3 {
		c.error("ERR this broker runs no scripts, but for the one by which Laravel publishes")
		return
	}
	for _, channel := range args[3:] {
		c.publish(channel, args[2])
	}
	c.out = resp.AppendNull(c.out, c.version)
}

// pubsub is PUBSUB NUMSUB [channel …].
func pubsub(c *client, args [][]byte) {
	if !strings.EqualFold(string(args[0]), "NUMSUB") {
		c.error("ERR this broker has PUBSUB NUMSUB only")
		return
	}
	c.out = resp.AppendArray(c.out, 2*(len(args)-1))
	for _, channel := range args[1:] {
		c.bulk(string(channel))
		c.int(c.broker.count(channel))
	}
}
