package hostile

// What the inputs come to, in the words of describe. Each keeps the entry's
// safe_behaviour; where that leaves a choice, this is ours.
//
// Of those that make a session: JSONP is on, because old clients need it, and a
// request without a version is one of version 3 (PROTOCOL.md chapter 1).

const (
	badTransport = "400 code 0 Transport unknown"
	badSession   = "400 code 1 Session ID unknown"
	badMethod    = "400 code 2 Bad handshake method"
	badRequest   = "400 code 3 Bad request"
	badVersion   = "400 code 5 Unsupported protocol version"
	badOrigin    = "403 code 4 this origin is not allowed: --origins would allow it"
	session4     = "200, session of version 4"
	session3     = "200, session of version 3"

	// Of net/http itself, which reads no second request after it.
	badHTTP = "400, closed"
)

var wantsHTTP = map[string]string{
	"eio-missing":               session3,
	"eio-0":                     badVersion,
	"eio-5":                     badVersion,
	"eio-nan":                   badVersion,
	"eio-dup":                   badVersion,
	"eio-huge":                  badVersion,
	"transport-unknown":         badTransport,
	"transport-constructor":     badTransport,
	"transport-proto":           badTransport,
	"sid-unknown":               badSession,
	"sid-nul":                   badSession,
	"sid-crlf":                  badSession,
	"eio-missing-strict":        session3,
	"sid-100k":                  "431, closed",
	"method-DELETE":             badMethod,
	"method-TRACE":              badMethod,
	"method-FOO":                badMethod,
	"upgrade-with-garbage-head": "101, session, close 1002",
	"ws-key-missing":            "400",
	"ws-version-99":             "426, version 13",
	"ws-upgrade-h2c":            "400",
	"ws-http10":                 "400 Bad request, closed",
	"ws-protocol-redos":         "101, session, open",
	"ws-ext-proto":              "101, session, open",
	"ws-ext-window-999":         "101, session, open",
	"ws-ext-garbage":            "101, session, open",
	"header-1MB":                "431, closed",
	"cookie-bomb-60k":           "431, closed",
	"bad-percent":               badRequest,
	"traversal-client-file":     "404",
	"crlf-in-query":             session4,

	"jsonp-js-eio4":              badRequest,
	"jsonp-number-overflow-eio3": badRequest,
	"jsonp-number-overflow-eio4": badRequest,
	"jsonp-neg-eio3":             badRequest,
	"jsonp-neg-eio4":             badRequest,

	"origin-poll-evil":          badOrigin,
	"origin-ws-null":            badOrigin,
	"origin-poll-null":          badOrigin,
	"origin-ws-suffix":          badOrigin,
	"origin-ws-prefix":          badOrigin,
	"origin-poll-prefix":        badOrigin,
	"origin-poll-scheme":        badOrigin,
	"origin-ws-uppercase-dot":   badOrigin,
	"origin-poll-uppercase-dot": badOrigin,
	"origin-poll-ctl":           badHTTP,
	"origin-ws-file":            badOrigin,
	"origin-poll-file":          badOrigin,
	"origin-ws-ext":             badOrigin,
	"origin-two-headers":        badOrigin,

	"smuggle-cl-te":          badSession + ", closed",
	"smuggle-te-xchunked":    "501, closed", // RFC 9112, 6.1
	"smuggle-cl-cl":          badHTTP,
	"smuggle-cl-plus":        badHTTP,
	"smuggle-chunk-overflow": badSession + ", closed",
	"smuggle-chunk-ext-bomb": badSession + ", closed",
	"smuggle-bare-lf-chunk":  badSession + ", closed",
	"smuggle-obs-fold":       session4, // folded
	"smuggle-nul-header":     badHTTP,
	"smuggle-no-host":        badHTTP,
	"smuggle-two-hosts":      badHTTP,
	"smuggle-absolute-uri":   "404",

	"post-count-bomb-pong":       "413, closed; open", // it is over the largest message before it is counted
	"post-count-bomb-empty":      "413, closed; open",
	"post-count-bomb-events":     "413, closed; open",
	"post-empty":                 "400; closed",
	"post-unknown-7":             "400; closed",
	"post-upgrade-over-polling":  "200 ok; open", // ignored
	"post-noop":                  "200 ok; open", // ignored
	"post-probe-over-polling":    "400; closed",
	"post-ping-from-client":      "400; closed",
	"post-b64-unsolicited":       "400; closed",
	"post-nul":                   "400; closed",
	"post-length-prefix-eio3":    "200 ok; open", // a packet 6, ignored whatever it carries
	"post-octet-stream-eio4":     "400; closed",
	"post-multipart":             "400; closed",
	"post-eio3-len-neg":          "400; closed",
	"post-eio3-len-none":         "400; closed",
	"post-eio3-count-bomb":       "413, closed; open",
	"post-overlap":               "400, closed and closed; closed",
	"get-overlap":                "200 1 and 400; closed",
	"double-upgrade":             "101, close 1005; the first open",
	"poll-on-ws-sid":             badRequest + "; the first open",
	"publish-empty-bearer":       "401 forbidden",
	"publish-secret-suffix":      "401 forbidden",
	"publish-two-auth":           "401 forbidden",
	"publish-auth-nul":           badHTTP,
	"publish-basic":              "401 forbidden",
	"publish-get":                "405",
	"publish-empty-body":         "400 bad_request",
	"publish-not-json":           "400 bad_request",
	"publish-array":              "400 bad_request",
	"publish-no-channel":         "400 bad_request",
	"publish-channel-nul":        "400 bad_channel",
	"publish-proto":              "400 bad_request",
	"publish-oversize":           "413 bad_request, closed",
	"publish-gzip-bomb":          "415 bad_request",
	"publish-form":               "415 bad_request",
	"redis-record-separator":     `published, hostile "\"a\u001e41\""`,
	"redis-huge-3MB":             "refused, 1 counted",
	"redis-u2028":                `published, hostile "\u2028\u2029"`,
	"redis-deep":                 `published, $gap {"channel":"hostile","reason":"too_deep"}, 1 counted`,
	"redis-fake-adapter-msgpack": `published, hostile "` + "\ufffd\ufffduid\ufffd\ufffd" + `"`,
}
