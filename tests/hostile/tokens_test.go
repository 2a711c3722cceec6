package hostile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server"
)

// signed is a token with the server's own signature.
func signed(header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(jwtKey))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestSignedTokens plays the tokens of the corpus, most of which have another
// key's signature, with the right one: so that what each is about decides. A
// token whose header names keys is good by its signature alone; all the others
// are refused in the same words.
func TestSignedTokens(t *testing.T) {
	n := start(t, "plain", server.Config{})
	member := map[string]string{
		"auth-sig-wrong": "u1", "auth-kid-path": "u1", "auth-kid-sql": "u1", "auth-kid-object": "u1",
		"auth-jwk-embedded": "u1", "auth-hs-rs-confusion": "u1",
	}
	played := 0
	for _, in := range corpus(t) {
		if in.Category != "auth" || in.Name == "auth-not-string" {
			continue
		}
		played++
		t.Run(in.Name, func(t *testing.T) {
			var auth struct{ Token string }
			if err := json.Unmarshal([]byte(strings.TrimPrefix(in.text(""), "40")), &auth); err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(auth.Token, ".")
			var plain [2]string
			for i := range plain {
				p, err := base64.RawURLEncoding.DecodeString(parts[i])
				if err != nil {
					t.Fatal(err)
				}
				plain[i] = string(p)
			}
			got := n.connectWith(t, signed(plain[0], plain[1]))
			if want := member[in.Name]; want != "" {
				if !strings.Contains(got, `"member":"`+want+`"`) {
					t.Errorf("it came to %s, want the member %s", got, want)
				}
			} else if want := strings.TrimSuffix(badToken, ", open"); got != want {
				t.Errorf("it came to %s, want %s", got, want)
			}
		})
	}
	if played != 13 {
		t.Errorf("%d tokens were played, want 13", played)
	}
}

// TestExpired: only a token that is good but for its age is told so.
func TestExpired(t *testing.T) {
	n := start(t, "plain", server.Config{})
	const header = `{"alg":"HS256"}`
	old := time.Now().Add(-time.Hour).Unix()
	expired := signed(header, fmt.Sprintf(`{"sub":"u1","exp":%d}`, old))
	bad := strings.TrimSuffix(badToken, ", open")
	for _, tt := range []struct{ name, token, want string }{
		{"expired", expired, `44{"message":"the token has expired","data":{"code":"expired","message":"the token has expired"}}`},
		{"and signed by another", expired[:len(expired)-4] + "AAAA", bad},
		{"and for nobody", signed(header, fmt.Sprintf(`{"exp":%d}`, old)), bad},
		{"and for a guest", signed(header, fmt.Sprintf(`{"sub":"guest:x","exp":%d}`, old)), bad},
		{"and not valid yet", signed(header, fmt.Sprintf(`{"sub":"u1","exp":%d,"nbf":%d}`, old, old+7200)), bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := n.connectWith(t, tt.token); got != tt.want {
				t.Errorf("it came to %s, want %s", got, tt.want)
			}
		})
	}
}

// connectWith connects with a token, and returns the refusal or $session.
func (n *target) connectWith(t *testing.T, token string) string {
	t.Helper()
	p, _, err := n.open("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.text(`40{"token":"` + token + `"}`)
	text, err := p.expect("4")
	if err == nil && strings.HasPrefix(text, "40") {
		text, err = p.expect("42")
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}
