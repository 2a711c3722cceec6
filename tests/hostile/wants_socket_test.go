package hostile

// rateLimited says that a client that sends too many messages is closed
// (RELIABILITY.md section 2). Two inputs are about that: sio-event-flood, and
// post-count-bomb-events cut to what one POST may have.
const rateLimited = true

// flooded is how these two end.
func flooded() string {
	if rateLimited {
		return "close 1005"
	}
	return "open"
}

// badToken is the same for every fault of a token.
const badToken = `44{"message":"the token is not valid","data":{"code":"bad_token","message":"the token is not valid"}}, open`

// exact is a tag that DESIGN.md section 2 allows: it is that channel, and no
// pattern.
const exact = "open; asked: ok, and hears that channel alone"

var wantsSocket = map[string]string{
	"ws-unmasked":           "close 1002",
	"ws-rsv2":               "close 1002",
	"ws-opcode-3":           "close 1002",
	"ws-opcode-4":           "close 1002",
	"ws-opcode-5":           "close 1002",
	"ws-opcode-6":           "close 1002",
	"ws-opcode-11":          "close 1002",
	"ws-opcode-12":          "close 1002",
	"ws-opcode-14":          "close 1002",
	"ws-opcode-15":          "close 1002",
	"ws-ping-125":           "pong 125, open",
	"ws-ping-126":           "close 1002",
	"ws-close-fragmented":   "close 1002",
	"ws-close-1004":         "close 1002",
	"ws-close-1016":         "close 1002",
	"ws-close-2999":         "close 1002",
	"ws-close-5000":         "close 1002",
	"ws-close-65535":        "close 1002",
	"ws-close-1-byte":       "close 1002",
	"ws-data-after-close":   "close 1000",
	"ws-cont-no-start":      "close 1002",
	"ws-utf8-c328":          "close 1007",
	"ws-utf8-too-big":       "close 1007",
	"ws-utf8-truncated":     "close 1007",
	"ws-len-msb":            "close 1002",
	"ws-len-max-int63":      "close 1009",
	"ws-len-1GiB-no-data":   "close 1009",
	"ws-len-nonminimal-64":  "open",
	"ws-oversize":           "close 1009",
	"ws-empty-fragments":    "close 1008",
	"ws-ping-flood":         "pong 1, pong 125, open",
	"ws-pong-flood":         "open",
	"ws-deflate-on-control": "close 1002",
	"ws-binary-unsolicited": "close 1005",

	"eio-unknown-9":             "close 1005",
	"eio-unknown-x":             "close 1005",
	"eio-ping-from-client":      "close 1005",
	"eio-probe-when-ws":         "close 1005",
	"eio-upgrade-when-ws":       "open",
	"eio-message-empty":         "close 1005",
	"eio-probe-twice":           "3probe, close 1005; polling open",
	"eio-upgrade-without-probe": "close 1005; polling open",

	"sio-unterminated":              "close 1005",
	"sio-connect-array":             "close 1005",
	"sio-disconnect-obj":            "close 1005",
	"sio-event-string":              "close 1005",
	"sio-event-name-obj":            "close 1005",
	"sio-event-name-null":           "close 1005",
	"sio-reserved-connect_error":    "close 1005",
	"sio-reserved-disconnecting":    "close 1005",
	"sio-event-error":               "open", // nobody handles it
	"sio-event-proto":               "open", // likewise
	"sio-event-empty-array":         "close 1005",
	"sio-type-7":                    "close 1005",
	"sio-type-empty":                "close 1005",
	"sio-event-number":              "open",
	"sio-ack-no-payload":            "open", // nobody waits for it
	"sio-json-nan":                  "close 1005",
	"sio-json-lone-surrogate":       "open",
	"sio-attach-no-dash":            "close 1005",
	"sio-attach-alpha":              "close 1005",
	"sio-attach-exp":                "close 1005",
	"sio-attach-11":                 "close 1005",
	"sio-attach-int64":              "close 1005",
	"sio-attach-0-with-placeholder": "close 1005",
	"sio-ack-unknown":               "open",
	"sio-ack-neg":                   "close 1005",
	"sio-ack-uint64":                "close 1005",
	"sio-ack-leading-zero":          "open",
	"sio-ns-nul":                    "close 1005",
	"sio-ns-proto":                  `44/__proto__,{"message":"Invalid namespace"}, open`,
	"sio-ns-star":                   `44/*,{"message":"Invalid namespace"}, open`,
	"sio-ns-not-connected":          "close 1005",
	"sio-no-such-ns":                `44/nope,{"message":"Invalid namespace"}, open`,
	"sio-ack-400-digits":            "close 1005",
	"sio-attach-digits-900k":        "close 1009",
	"sio-nest-array-400k":           "close 1009",
	"sio-number-900k":               "close 1009",
	"sio-keys-80k":                  "close 1009",
	"sio-placeholder-splice":        "close 1005",
	"sio-placeholder-oob":           "close 1005",
	"sio-placeholder-neg":           "close 1005",
	"sio-placeholder-1e300":         "close 1005",
	"sio-placeholder-null":          "close 1005",
	"sio-attach-then-text":          "close 1005",
	"sio-attach-hold":               "close 1005", // by the text that follows it
	"sio-event-before-connect":      "close 1005",
	"sio-binary-before-connect":     "close 1005",
	"sio-ack-before-connect":        "close 1005",
	"sio-event-flood":               flooded(),

	"channel-empty":           "open; asked: bad_channel",
	"channel-newline":         "open; asked: bad_channel",
	"channel-crlf-redis":      "open; asked: bad_channel",
	"channel-star":            exact,
	"channel-glob-class":      exact,
	"channel-glob-q":          exact,
	"channel-glob-escape":     exact,
	"channel-keyspace":        "open; asked: bad_channel",
	"channel-keyevent":        "open; asked: bad_channel",
	"channel-sentinel":        "open; asked: bad_channel",
	"channel-adapter-request": exact,
	"channel-constructor":     exact,
	"channel-ctor-hasown":     exact,
	"channel-own-sid-room":    exact, // the key of both maps is another id, and rooms are not channels
	"channel-private-case":    exact, // names are case-sensitive: it is not private:…
	"channel-percent":         exact,
	"channel-template":        exact,
	"channel-number":          "open; asked: bad_request",
	"channel-object":          "open; asked: bad_request",
	"channel-array-nested":    "open; asked: bad_request",
	"channel-null":            "open; asked: bad_request",
	"channel-10k-long":        "open; asked: bad_channel",
	"channel-array-100k":      "close 1009",

	"auth-alg-none":        badToken,
	"auth-alg-NoNe":        badToken,
	"auth-alg-missing":     badToken,
	"auth-sig-wrong":       badToken,
	"auth-exp-missing":     badToken,
	"auth-kid-path":        badToken,
	"auth-kid-sql":         badToken,
	"auth-kid-object":      badToken,
	"auth-iss-ssrf":        badToken,
	"auth-jwk-embedded":    badToken,
	"auth-hs-rs-confusion": badToken,
	"auth-crit":            badToken,
	"auth-dup-claims":      badToken,
	"auth-not-string":      badToken,
}

// wantsLarge is for a server that takes messages of a million bytes, as the one
// that the corpus was made with: other limits are reached there.
var wantsLarge = map[string]string{
	"post-count-bomb-pong":   "400; closed",
	"post-count-bomb-empty":  "400; closed",
	"post-count-bomb-events": "400; closed",
	"post-eio3-count-bomb":   "400; closed",
	"ws-oversize":            "close 1009",
	"sio-attach-digits-900k": "close 1005",
	"sio-nest-array-400k":    "close 1005",
	"sio-number-900k":        "open",
	"sio-keys-80k":           "open",
	"channel-array-100k":     "open; asked: too_many_channels",
}

// wantsDeflate is for a server that compresses.
var wantsDeflate = map[string]string{
	"ws-ext-proto":          "101, session, open",
	"ws-ext-window-999":     "101, session, open",
	"ws-ext-garbage":        "400",
	"ws-deflate-on-control": "close 1002",
}

// wantsRedis is for a server on a real Redis: what differs.
var wantsRedis = map[string]string{
	"redis-huge-3MB": `published, $gap {"channel":"hostile","reason":"too_large"}, 1 counted`,
}
