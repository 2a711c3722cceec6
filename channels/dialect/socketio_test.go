package dialect

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// A vector is what an npm package has published, byte for byte.
type vector struct{ Name, By, Channel, Hex string }

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/socketio.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (v vector) data(t testing.TB) []byte {
	t.Helper()
	data, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A delivery is one call of Read's deliver.
type delivery struct{ Tag, Data string }

func newSet(t testing.TB, c Config) *Set {
	t.Helper()
	log := logrus.New()
	log.SetOutput(new(bytes.Buffer))
	c.Log = log
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func socketIOSet(t testing.TB) *Set {
	t.Helper()
	return newSet(t, Config{Prefix: "sb:", Dialects: []string{SocketIO}, MaxPublish: 1 << 20})
}

func (s *Set) deliveries(name string, data []byte) (list []delivery, err error) {
	_, err = s.Read(name, data, func(tag string, data []byte) int {
		list = append(list, delivery{tag, string(data)})
		return 1
	})
	return list, err
}

// notepack.io sends whole numbers beyond 64 bits, such as 1e300, as nothing.
const values = `{"ints":[0,127,128,255,256,65535,65536,4294967296,9007199254740992,-1,-32,-33,-128,-129,-32769,-1099511627776],` +
	`"floats":[0.5,0,null],"text":"é😀\u003c\u2028\"\n","date":"2023-11-14T22:13:20.123Z","whole":"2023-11-14T22:13:20.000Z",` +
	`"old":"1969-12-31T23:59:59.000Z","nil":null,"yes":true,"no":false}`

// TestRecorded reads what the packages of npm have published.
func TestRecorded(t *testing.T) {
	pictures := `["AQL/","` + strings.Repeat("BwcH", 100) + `"]`
	want := map[string][]delivery{
		"@socket.io/redis-emitter 5.1.0: one room":             {{"news", `{"event":"goal","data":` + values + `}`}},
		"@socket.io/redis-emitter 5.1.0: no room, no argument": {{"everybody", `{"event":"corner"}`}},
		"@socket.io/redis-emitter 5.1.0: rooms and exceptions": {
			{"news", `{"event":"goal","data":1,"more":["two",[3]],"except":["feed"],"rooms":["news","42"]}`},
			{"42", `{"event":"goal","data":1,"more":["two",[3]],"except":["feed"],"rooms":["news","42"]}`},
		},
		"@socket.io/redis-emitter 5.1.0: binary": {
			{"news", `{"event":"goal","data":{"picture":{"_placeholder":true,"num":0}},"more":[{"_placeholder":true,"num":1}],"attachments":` + pictures + `}`},
		},
		"@socket.io/redis-emitter 5.1.0: another namespace": nil,
		"socket.io-emitter 3.2.0: one room":                 {{"news", `{"event":"goal","data":` + values + `}`}},
		"socket.io-emitter 3.2.0: no room":                  {{"everybody", `{"event":"goal","data":null,"more":[{"_placeholder":true,"num":0}],"attachments":["CQ=="]}`}},
		"socket.io-emitter 3.2.0: rooms": {
			{"news", `{"event":"goal","data":1,"rooms":["news","feed"]}`},
			{"feed", `{"event":"goal","data":1,"rooms":["news","feed"]}`},
		},
	}
	list := vectors(t)
	if len(list) != len(want) {
		t.Fatalf("there are %d vectors, want %d", len(list), len(want))
	}
	for _, v := range list {
		t.Run(v.By+": "+v.Name, func(t *testing.T) {
			want := want[v.By+": "+v.Name]
			for i := range want {
				if strings.Contains(v.By, "3.2.0") { // it sends undefined in an object too
					want[i].Data = strings.Replace(want[i].Data, `"no":false}`, `"no":false,"none":null}`, 1)
				}
			}
			s := socketIOSet(t)
			got, err := s.deliveries(v.Channel, v.data(t))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Read(%q) = %q, %v, want %q", v.Channel, got, err, want)
			}
			for _, d := range got {
				if m := Parse([]byte(d.Data)); m == nil || string(m.Encode()) != d.Data {
					t.Errorf("Parse(%s) is not what was encoded: %+v", d.Data, m)
				}
			}
			if refused := s.Refused(); (refused == 1) != (len(want) == 0) {
				t.Errorf("%d were refused", refused)
			}
		})
	}
}

// msg is msgpack: strings, numbers below 128, lists and maps, of which nothing
// is long; a []byte stands for itself.
func msg(v any) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case string:
		return append([]byte{0xa0 | byte(len(v))}, v...)
	case int:
		return []byte{byte(v)}
	case []any:
		out := []byte{0x90 | byte(len(v))}
		for _, e := range v {
			out = append(out, msg(e)...)
		}
		return out
	case pairs:
		out := []byte{0x80 | byte(len(v)/2)}
		for _, e := range v {
			out = append(out, msg(e)...)
		}
		return out
	}
	panic("no msgpack")
}

type pairs []any

func TestHostile(t *testing.T) {
	packet := func(data any) pairs { return pairs{"type", 2, "nsp", "/", "data", data} }
	goal := func(arg any) []byte { return msg([]any{"uid", packet([]any{"goal", arg}), pairs{"rooms", []any{}}}) }
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 1) }
	for _, tt := range []struct {
		name string
		data []byte
		err  error // nil: it is read
	}{
		{"nothing", nil, errUnreadable},
		{"text", []byte(`{"event":"goal"}`), errUnreadable},
		{"no list", msg("goal"), errUnreadable},
		{"too short", msg([]any{"uid"}), errShape},
		{"too long", msg([]any{"uid", packet([]any{"goal"}), pairs{}, 1}), errShape},
		{"no options", msg([]any{"uid", packet([]any{"goal"})}), nil},
		{"more behind it", append(goal(1), 0), errShape},
		{"uid no text", msg([]any{[]any{}, packet([]any{"goal"}), pairs{}}), errUnreadable},
		{"packet no object", msg([]any{"uid", []any{"goal"}, pairs{}}), errUnreadable},
		{"no data", msg([]any{"uid", pairs{"type", 2, "nsp", "/"}, pairs{}}), errShape},
		{"no event", msg([]any{"uid", packet([]any{}), pairs{}}), errShape},
		{"event no text", msg([]any{"uid", packet([]any{pairs{}}), pairs{}}), errUnreadable},
		{"event a number", msg([]any{"uid", packet([]any{5}), pairs{}}), nil},
		{"an ack", msg([]any{"uid", pairs{"type", 3, "nsp", "/", "data", []any{"goal"}}, pairs{}}), errKind},
		{"binary event", msg([]any{"uid", pairs{"type", 5, "data", []any{"goal"}}, pairs{}}), nil},
		{"another namespace", msg([]any{"uid", pairs{"type", 2, "nsp", "/x", "data", []any{"goal"}}, pairs{}}), errNamespace},
		{"what is not known", msg([]any{"uid", append(packet([]any{"goal"}), "x", []any{pairs{"y", 1}}), pairs{"flags", pairs{"volatile", []byte{0xc3}}}}), nil},
		{"deepest", goal(deep(512)), nil},
		{"deeper", goal(deep(513)), errDeep},
		{"a million deep", goal(deep(1 << 20)), errDeep},
		{"a million deep, not needed", msg([]any{"uid", append(packet([]any{"goal"}), "x", deep(1<<20)), pairs{}}), errDeep},
		{"half a text", msg([]any{"uid", packet([]any{"goal", []byte{0xa5, 'a'}})}), errUnreadable},
		{"a text of 4 GiB", goal([]byte{0xdb, 255, 255, 255, 255}), errUnreadable},
		{"binary of 4 GiB", goal([]byte{0xc6, 255, 255, 255, 255}), errUnreadable},
		{"a list of 4 G", goal([]byte{0xdd, 255, 255, 255, 255}), errUnreadable},
		{"a map of 4 G", goal([]byte{0xdf, 255, 255, 255, 255}), errUnreadable},
		{"an extension of 4 GiB", goal([]byte{0xc9, 255, 255, 255, 255, 1}), errUnreadable},
		{"an extension", goal([]byte{0xd4, 77, 1}), nil},
		{"never used", goal([]byte{0xc1}), errShape},
		{"large as JSON", goal(append([]byte{0xda, 0xff, 0xff}, make([]byte, 0xffff)...)), errLarge},
		{"ten pictures", goal(append([]byte{0x9a}, bytes.Repeat([]byte{0xc4, 1, 1}, 10)...)), nil},
		{"eleven pictures", goal(append([]byte{0x9b}, bytes.Repeat([]byte{0xc4, 1, 1}, 11)...)), errMany},
		{"a thousand rooms", msg([]any{"uid", packet([]any{"goal"}), pairs{"rooms", append([]byte{0xdc, 3, 0xe8}, bytes.Repeat([]byte{0xa1, 'a'}, 1000)...)}}), nil},
		{"more rooms", msg([]any{"uid", packet([]any{"goal"}), pairs{"rooms", append([]byte{0xdc, 3, 0xe9}, bytes.Repeat([]byte{0xa1, 'a'}, 1001)...)}}), errMany},
		{"a key that is a list", goal(pairs{[]any{}, 1}), errUnreadable},
		{"a key that is a number", goal(pairs{7, 1}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSet(t, Config{Dialects: []string{SocketIO}, MaxPublish: 100_000})
			var err error
			used := allocated(func() { _, err = s.read(tt.data) })
			if !errors.Is(err, tt.err) {
				t.Errorf("read(%.40x) = %v, want %v", tt.data, err, tt.err)
			}
			if limit := uint64(10*len(tt.data)) + 4<<10; used > limit && !errors.Is(tt.err, errLarge) {
				t.Errorf("read of %d bytes allocated %d", len(tt.data), used)
			}
		})
	}
}

// allocated is how many bytes f allocates, the least of three times: others
// allocate too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	least := ^uint64(0)
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// FuzzRead: what is read becomes valid JSON within the limit, that reads back
// as the same.
func FuzzRead(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.data(f))
	}
	s := newSet(f, Config{Dialects: []string{SocketIO}, MaxPublish: 10_000})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := s.deliveries("socket.io#/#", data)
		if err != nil && len(list) > 0 {
			t.Errorf("%q was delivered, with %v", list, err)
		}
		for _, d := range list {
			m := Parse([]byte(d.Data))
			if m == nil || !json.Valid([]byte(d.Data)) || string(m.Encode()) != d.Data {
				t.Fatalf("%s does not read back as itself", d.Data)
			}
			size := 0
			for _, arg := range m.Args() {
				size += len(arg)
			}
			if size > 10_000 {
				t.Errorf("%d bytes of arguments", size)
			}
		}
	})
}
