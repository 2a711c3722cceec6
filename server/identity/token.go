package identity

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/sb-stream/stream-server/internal/tags"
)

// Limits of tokens, of RELIABILITY.md section 2.
const (
	maxToken    = 8 << 10 // bytes
	tokenLeeway = 30 * time.Second
	minSecret   = 16 // bytes
)

// Of the keys at a URL.
const (
	jwksInterval = 15 * time.Minute // from one fetch to the next
	jwksUnknown  = 30 * time.Second // between fetches for a key that is not there
	jwksTimeout  = 5 * time.Second
	maxJWKS      = 1 << 20 // bytes
)

// Algorithms of tokens, by the kind of their keys. "none" is none of them.
var (
	secretAlgs = []string{"HS256", "HS384", "HS512"}
	rsaAlgs    = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecdsaAlgs  = []string{"ES256", "ES384", "ES512"}
	edAlgs     = []string{"EdDSA"}
)

// tokens knows members by JWTs. The algorithms are those of the configuration,
// whatever a token says, and so are the keys: jku, x5u and jwk are not read.
type tokens struct {
	// Constant.
	parser *jwt.Parser
	static *jwt.VerificationKeySet // nil: keys have a URL
	remoteKeys
}

// remoteKeys are those of a URL.
type remoteKeys struct{ keys keyfunc.Keyfunc }

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims

	Channels []string `json:"channels"`
}

func newTokens(ctx context.Context, c Config) (*tokens, error) {
	t := &tokens{}
	algs := c.Algs
	var fit []string
	switch {
	case len(c.Keys) == 0 && c.JWKSURL == "":
		if len(c.Algs) > 0 || c.Issuer != "" || c.Audience != "" {
			return nil, errors.New("identity: there is a rule for tokens, and no key for them")
		}
		return nil, nil //nolint:nilnil // there are none, and nothing wrong with that
	case len(c.Keys) > 0 && c.JWKSURL != "":
		return nil, errors.New("identity: the keys of tokens are given, or have a URL, not both")
	case c.JWKSURL != "":
		u, err := url.Parse(c.JWKSURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("identity: the URL of the keys is not of the form https://login.example/jwks.json")
		}
		fit = slices.Concat(rsaAlgs, ecdsaAlgs, edAlgs)
		if len(algs) == 0 {
			algs = []string{"RS256", "ES256", "EdDSA"}
		}
	default:
		t.static = &jwt.VerificationKeySet{}
		for _, data := range c.Keys {
			key, kind, err := parseKey(data)
			if err != nil {
				return nil, err
			}
			t.static.Keys = append(t.static.Keys, key)
			fit = append(fit, kind...)
			if len(c.Algs) == 0 && !slices.Contains(algs, kind[0]) {
				algs = append(algs, kind[0])
			}
		}
	}
	for _, alg := range algs {
		if !slices.Contains(fit, alg) {
			return nil, fmt.Errorf("identity: tokens of algorithm %q cannot be checked with these keys", alg)
		}
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(algs), jwt.WithExpirationRequired(), jwt.WithLeeway(tokenLeeway)}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	if c.Audience != "" {
		options = append(options, jwt.WithAudience(c.Audience))
	}
	t.parser = jwt.NewParser(options...)
	if t.static == nil {
		keys, err := fetchKeys(ctx, c)
		if err != nil {
			return nil, err
		}
		t.keys = keys
	}
	return t, nil
}

// parseKey reads a public key, if data is PEM, and else takes it as a secret. The
// algorithms are those that it fits, the usual one first.
func parseKey(data []byte) (key jwt.VerificationKey, algs []string, err error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN")) {
		if len(data) < minSecret {
			return nil, nil, errors.New("identity: the JWT key must have at least 16 bytes")
		}
		return data, secretAlgs, nil
	}
	if key, err := jwt.ParseRSAPublicKeyFromPEM(data); err == nil {
		return key, rsaAlgs, nil
	}
	if key, err := jwt.ParseECPublicKeyFromPEM(data); err == nil {
		of := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Curve.Params().BitSize]
		return key, []string{of}, nil
	}
	if key, err := jwt.ParseEdPublicKeyFromPEM(data); err == nil {
		return key.(ed25519.PublicKey), edAlgs, nil
	}
	return nil, nil, errors.New("identity: a JWT key is PEM, and no public key of RSA, ECDSA or Ed25519")
}

// fetchKeys keeps the keys of a URL up to date until ctx ends. One that is away
// now is asked again.
func fetchKeys(ctx context.Context, c Config) (keyfunc.Keyfunc, error) {
	later := true
	return keyfunc.NewDefaultOverrideCtx(ctx, []string{c.JWKSURL}, keyfunc.Override{
		Client: &http.Client{
			Timeout:       jwksTimeout,
			Transport:     bounded{http.DefaultTransport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPTimeout:               jwksTimeout,
		NoErrorReturnFirstHTTPReq: &later,
		RateLimitWaitMax:          jwksTimeout, // for all of the fetch; who would have to wait longer for its turn does not
		RefreshInterval:           jwksInterval,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(jwksUnknown), 1),
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) { c.fault("the keys of tokens cannot be fetched", err) }
		},
	})
}

// bounded is a transport whose answers have an end.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxJWKS), resp.Body}
	}
	return resp, err
}

// remote reports whether a token may have to wait for its key.
func (t *tokens) remote() bool { return t.static == nil }

// member is who a token names, and what it grants.
func (t *tokens) member(ctx context.Context, token string) (Who, error) {
	if len(token) > maxToken {
		return Who{}, ErrBadToken
	}
	var found claims
	parsed, err := t.parser.ParseWithClaims(token, &found, func(token *jwt.Token) (any, error) {
		// RFC 7515 section 4.1.11: what is critical must be understood.
		if _, ok := token.Header["crit"]; ok {
			return nil, ErrBadToken
		}
		if t.static != nil {
			return *t.static, nil
		}
		return t.keys.KeyfuncCtx(ctx)(token)
	})
	member := memberID(found.Subject)
	named := member != "" && checkGrants(found.Channels) == nil
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable) && !t.hasKeys(ctx):
		return Who{}, ErrUnavailable
	case named && onlyExpired(err):
		return Who{}, ErrExpired
	case err != nil || !parsed.Valid || !named:
		return Who{}, ErrBadToken
	}
	return Who{member, &Grant{Channels: tags.Patterns(found.Channels), Until: found.ExpiresAt.Time}}, nil
}

// hasKeys reports whether the keys have been fetched, ever.
func (t *tokens) hasKeys(ctx context.Context) bool {
	if t.static != nil {
		return true
	}
	set, err := t.keys.VerificationKeySet(ctx)
	return err == nil && len(set.Keys) > 0
}

// onlyExpired reports whether nothing else is wrong with a token: who brings
// one that was never good is not told when it would have ended.
func onlyExpired(err error) bool {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return false
	}
	for _, other := range []error{
		jwt.ErrTokenSignatureInvalid, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenRequiredClaimMissing,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}
