package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "a secret of at least 32 bytes, for tests"

// must is what the tests make of keys.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(key crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})
}

// sign makes a token with these claims and more of a header.
func signToken(method jwt.SigningMethod, key any, claims jwt.MapClaims, header ...string) string {
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		var value any
		if json.Unmarshal([]byte(header[i+1]), &value) != nil {
			value = header[i+1]
		}
		token.Header[header[i]] = value
	}
	return must(token.SignedString(key))
}

func soon() int64 { return time.Now().Add(time.Hour).Unix() }

func finder(t *testing.T, c Config) *Finder {
	t.Helper()
	f, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestToken(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edPublic, edKey, _ := ed25519.GenerateKey(rand.Reader)
	plain := Config{Keys: [][]byte{[]byte(secret)}}
	public := Config{Keys: [][]byte{publicPEM(&rsaKey.PublicKey)}}
	strict := Config{Keys: [][]byte{[]byte(secret)}, Issuer: "https://login.example", Audience: "stream"}
	hs := func(claims jwt.MapClaims, header ...string) string {
		return signToken(jwt.SigningMethodHS256, []byte(secret), claims, header...)
	}
	member := jwt.MapClaims{"sub": "7", "exp": soon()}
	with := func(more jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{"sub": "7", "exp": soon()}
		maps.Copy(all, more)
		return all
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"7","exp":9999999999}`)) + "."

	for _, tt := range []struct {
		name   string
		config Config
		token  string
		want   error
	}{
		{"HS256", plain, hs(member), nil},
		{"HS512 when it is not the usual one", plain, signToken(jwt.SigningMethodHS512, []byte(secret), member), ErrBadToken},
		{"HS512 when it is configured", Config{Keys: plain.Keys, Algs: []string{"HS512"}}, signToken(jwt.SigningMethodHS512, []byte(secret), member), nil},
		{"RS256", public, signToken(jwt.SigningMethodRS256, rsaKey, member), nil},
		{"PS256 when it is not the usual one", public, signToken(jwt.SigningMethodPS256, rsaKey, member), ErrBadToken},
		{"ES256", Config{Keys: [][]byte{publicPEM(&ecKey.PublicKey)}}, signToken(jwt.SigningMethodES256, ecKey, member), nil},
		{"EdDSA", Config{Keys: [][]byte{publicPEM(edPublic)}}, signToken(jwt.SigningMethodEdDSA, edKey, member), nil},
		{"the second of two keys", Config{Keys: [][]byte{[]byte(strings.Repeat("x", 16)), []byte(secret)}}, hs(member), nil},
		{"the public key as a secret", public, signToken(jwt.SigningMethodHS256, public.Keys[0], member), ErrBadToken},
		{"another secret", plain, signToken(jwt.SigningMethodHS256, []byte("another"), member), ErrBadToken},
		{"alg none", plain, unsigned, ErrBadToken},
		{"alg None", plain, strings.Replace(unsigned, "eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0", 1), ErrBadToken},
		{"critical extensions", plain, hs(member, "crit", `["b64"]`, "b64", "false"), ErrBadToken},
		{"a key of its own", plain, hs(member, "jwk", `{"kty":"oct","k":"AAAA"}`), nil}, // signed with ours, and not read
		{"no exp", plain, hs(jwt.MapClaims{"sub": "7"}), ErrBadToken},
		{"exp is a text", plain, hs(with(jwt.MapClaims{"exp": "tomorrow"})), ErrBadToken},
		{"expired within the leeway", plain, hs(with(jwt.MapClaims{"exp": time.Now().Add(-20 * time.Second).Unix()})), nil},
		{"expired", plain, hs(with(jwt.MapClaims{"exp": time.Now().Add(-40 * time.Second).Unix()})), ErrExpired},
		{"expired, and another secret", plain, signToken(jwt.SigningMethodHS256, []byte("x"), with(jwt.MapClaims{"exp": 1})), ErrBadToken},
		{"expired, and another issuer", strict, hs(with(jwt.MapClaims{"exp": 1, "iss": "x", "aud": "stream"})), ErrBadToken},
		{"not yet", plain, hs(with(jwt.MapClaims{"nbf": soon()})), ErrBadToken},
		{"issuer and audience", strict, hs(with(jwt.MapClaims{"iss": "https://login.example", "aud": []string{"a", "stream"}})), nil},
		{"another issuer", strict, hs(with(jwt.MapClaims{"iss": "https://evil.example", "aud": "stream"})), ErrBadToken},
		{"another audience", strict, hs(with(jwt.MapClaims{"iss": "https://login.example", "aud": "shop"})), ErrBadToken},
		{"no audience", strict, hs(with(jwt.MapClaims{"iss": "https://login.example"})), ErrBadToken},
		{"no member", plain, hs(jwt.MapClaims{"exp": soon()}), ErrBadToken},
		{"a guest's name", plain, hs(with(jwt.MapClaims{"sub": "guest:x"})), ErrBadToken},
		{"a name with a line", plain, hs(with(jwt.MapClaims{"sub": "a\nb"})), ErrBadToken},
		{"channels", plain, hs(with(jwt.MapClaims{"channels": []string{"private:a", "private:b:*"}})), nil},
		{"channels that are none", plain, hs(with(jwt.MapClaims{"channels": []string{"a,b"}})), ErrBadToken},
		{"channels of another type", plain, hs(with(jwt.MapClaims{"channels": "private:a"})), ErrBadToken},
		{"8 KiB", plain, padded(maxToken), nil},
		{"8 KiB and a byte", plain, padded(maxToken + 1), ErrBadToken},
		{"no token at all", plain, "abc", ErrBadToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			who, err := finder(t, tt.config).Find(t.Context(), Credentials{Token: tt.token})
			if !errors.Is(err, tt.want) || err == nil && who.Member != "7" {
				t.Errorf("Find = %+v, %v, want error %v", who, err, tt.want)
			}
		})
	}

	who, err := finder(t, plain).Find(t.Context(), Credentials{Token: hs(with(jwt.MapClaims{"channels": []string{"private:a", "private:b:*"}}))})
	if err != nil || !who.May("private:a") || !who.May("private:b:1") || who.May("private:ab") || who.May("private:b") {
		t.Errorf("the grants of a token = %+v, %v", who.Grant, err)
	}
}

// padded is a valid token of that many bytes.
func padded(size int) string {
	for header := range 3 { // base64 has no text of some lengths: a longer header moves them
		for n := (size - 300) * 3 / 4; n < size; n++ {
			token := signToken(jwt.SigningMethodHS256, []byte(secret),
				jwt.MapClaims{"sub": "7", "exp": soon(), "x": strings.Repeat("x", n)}, "x", strings.Repeat("x", header))
			if len(token) == size {
				return token
			}
			if len(token) > size {
				break
			}
		}
	}
	panic("identity: no token of that length")
}

func TestTokenConfig(t *testing.T) {
	key := [][]byte{[]byte(secret)}
	for name, c := range map[string]Config{
		"a short secret":        {Keys: [][]byte{[]byte("short")}},
		"no such algorithm":     {Keys: key, Algs: []string{"none"}},
		"an algorithm for PEM":  {Keys: key, Algs: []string{"RS256"}},
		"rules and no key":      {Issuer: "x"},
		"a cookie and no key":   {JWTCookie: "token"},
		"a private key":         {Keys: [][]byte{[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}},
		"keys twice":            {Keys: key, JWKSURL: "https://login.example"},
		"secrets at a URL":      {JWKSURL: "https://login.example/k", Algs: []string{"HS256"}},
		"no URL":                {JWKSURL: "login.example"},
		"half a session":        {SessionCookie: "sid"},
		"a session of any key":  {SessionCookie: "sid", SessionKey: "{}", Store: store{}},
		"a session, no Redis":   {SessionCookie: "sid", SessionKey: "sess:{}"},
		"no URL of the web":     {AuthURL: "/who"},
		"a short key of guests": {GuestKeys: [][]byte{[]byte("short")}},
	} {
		if _, err := New(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "identity: ") {
			t.Errorf("%s: New = %v, want an error", name, err)
		}
	}
}

// A jwks is a server of keys.
type jwks struct {
	*httptest.Server
	keys    atomic.Pointer[map[string]*rsa.PublicKey] // by kid; nil: it fails
	fetched atomic.Int64
}

func newJWKS(t *testing.T) *jwks {
	j := &jwks{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		j.fetched.Add(1)
		keys := j.keys.Load()
		if keys == nil {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		list := []map[string]string{}
		for kid, key := range *keys {
			list = append(list, map[string]string{
				"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
				"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
				"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	}))
	t.Cleanup(j.Close)
	return j
}

func TestJWKS(t *testing.T) {
	first, second := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048))
	var trapped atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Add(1) }))
	t.Cleanup(trap.Close)
	member := jwt.MapClaims{"sub": "7", "exp": soon(), "iss": trap.URL}
	token := func(key *rsa.PrivateKey, kid string, header ...string) string {
		return signToken(jwt.SigningMethodRS256, key, member, append([]string{"kid", kid}, header...)...)
	}

	j := newJWKS(t)
	f := finder(t, Config{JWKSURL: j.URL})
	find := func(text string) error {
		_, err := f.Find(t.Context(), Credentials{Token: text})
		return err
	}
	if err := find(token(first, "a")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a token while there are no keys: %v, want ErrUnavailable", err)
	}

	j.keys.Store(&map[string]*rsa.PublicKey{"a": &first.PublicKey})
	f = finder(t, Config{JWKSURL: j.URL})
	if !f.Waits(Credentials{Token: "x"}) || f.Waits(Credentials{}) {
		t.Error("Waits: want true for a token, whose key may have to be fetched, and false for none")
	}
	if err := find(token(first, "a", "jku", trap.URL, "x5u", trap.URL)); err != nil {
		t.Errorf("a token of the first key: %v", err)
	}
	if err := find(token(second, "a")); !errors.Is(err, ErrBadToken) {
		t.Errorf("a token of another key by the same name: %v, want ErrBadToken", err)
	}
	if err := find(signToken(jwt.SigningMethodHS256, publicPEM(&first.PublicKey), member, "kid", "a")); !errors.Is(err, ErrBadToken) {
		t.Errorf("the public key as a secret: %v, want ErrBadToken", err)
	}
	if err := find(token(first, "a", "kid", `{"x":1}`)); !errors.Is(err, ErrBadToken) {
		t.Errorf("a key by an object: %v, want ErrBadToken", err)
	}
	before := j.fetched.Load()
	j.keys.Store(&map[string]*rsa.PublicKey{"a": &first.PublicKey, "b": &second.PublicKey})
	if err := find(token(second, "b")); err != nil {
		t.Errorf("a token of a key that is new: %v, want it fetched", err)
	}
	for range 50 {
		if err := find(token(second, "../../etc/passwd")); !errors.Is(err, ErrBadToken) {
			t.Errorf("a token of no key: %v, want ErrBadToken", err)
		}
	}
	if n := j.fetched.Load() - before; n != 1 {
		t.Errorf("the keys were fetched %d times for unknown ones, want 1: the next only after a while", n)
	}
	if trapped.Load() != 0 {
		t.Error("a request was made to an address that a token named")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Find(ctx, Credentials{Token: token(first, "a")}); err != nil {
		t.Errorf("a token of a key that is there, without time: %v", err)
	}
}

func FuzzToken(f *testing.F) {
	good := signToken(jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": "7", "exp": soon(), "channels": []string{"private:*"}})
	f.Add(good)
	f.Add("a.b.c")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("sbt_AAAA")
	find := must(New(f.Context(), Config{Keys: [][]byte{[]byte(secret)}}))
	f.Fuzz(func(t *testing.T, token string) {
		who, err := find.Find(t.Context(), Credentials{Token: token})
		if token != "" && err == nil && who.Member != "7" {
			t.Errorf("%q is %+v", token, who)
		}
		if who, err := find.Identify(t.Context(), token, Who{Member: "guest:x"}); err == nil && who.Member != "7" {
			t.Errorf("identify with %q worked", token)
		}
	})
}
