package dialect

import (
	"reflect"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	both := []string{SocketIO, Laravel}
	for _, tt := range []struct {
		name   string
		config Config
		tag    string
		want   []string
	}{
		{"ours", Config{Prefix: "sb:"}, "news", []string{"sb:news"}},
		{"bare", Config{}, "news", []string{"news"}},
		{"both", Config{Prefix: "sb:", Dialects: both, LaravelPrefix: "app_"}, "news", []string{"app_news", "sb:news", "socket.io#/#news#"}},
		{"both, bare", Config{Dialects: both}, "news", []string{"news", "socket.io#/#news#"}},
		{"key", Config{Prefix: "sb:", Dialects: both[:1], Key: "app"}, "news", []string{"sb:news", "app#/#news#"}},
		{"room with #", Config{Prefix: "sb:", Dialects: both[:1]}, "user#42#", []string{"sb:user#42#", "socket.io#/#user#42##"}},
		{"Laravel bare", Config{Prefix: "sb:", Dialects: both[1:]}, "news", []string{"news", "sb:news"}},
		{"another's name of ours", Config{Prefix: "sb:", Dialects: both[1:]}, "sb:news", []string{"sb:sb:news"}},
		{"another's name of Socket.IO", Config{Dialects: both}, "socket.io#/#news#", []string{"socket.io#/#socket.io#/#news##"}},
		{"the nodes' own", Config{Prefix: "sb:", Dialects: both, LaravelPrefix: "app_"}, "$node", []string{"sb:$node"}},
		{"shared", Config{Prefix: "sb:", Dialects: both, LaravelPrefix: "app_"}, Shared, []string{"socket.io#/#"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSet(t, tt.config)
			if got := s.Names(tt.tag); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Names(%q) = %q, want %q", tt.tag, got, tt.want)
			}
		})
	}
}

// FuzzNames: every name of a channel is a name of that channel alone, and the last
// of them says so.
func FuzzNames(f *testing.F) {
	f.Add("news", "sb:", "laravel_database_", "socket.io", true, true)
	f.Add("sb:news", "sb:", "", "socket.io", true, true)
	f.Add("socket.io#/#x#", "", "", "", true, true)
	f.Add("a#", "a", "ab", "", false, true)
	f.Fuzz(func(t *testing.T, tag, prefix, laravel, key string, socketIO, isLaravel bool) {
		c := Config{Prefix: prefix, LaravelPrefix: laravel, Key: key}
		if socketIO {
			c.Dialects = append(c.Dialects, SocketIO)
		}
		if isLaravel {
			c.Dialects = append(c.Dialects, Laravel)
		}
		if tag == "" || tag == Shared || c.Validate() != nil || strings.HasPrefix(tag, "$") && socketIO && strings.HasPrefix(prefix+tag, key+"#/#") {
			return
		}
		s := newSet(t, c)
		names := s.Names(tag)
		if len(names) == 0 {
			t.Fatalf("no names for %q", tag)
		}
		for i, name := range names {
			if got, last := s.Tag(name); got != tag || last != (i == len(names)-1) {
				t.Errorf("Tag(%q) = %q, %v, want %q; names %q", name, got, last, tag, names)
			}
		}
	})
}

func TestRead(t *testing.T) {
	laravel := `{"event":"App\\Events\\Goal","data":{"n":1,"socket":null},"socket":null}`
	goal := vectors(t)[2] // for two rooms
	for _, tt := range []struct {
		name, channel, data string
		want                []string
		refused             bool
	}{
		{"ours", "sb:news", "1", []string{"news"}, false},
		{"the nodes' own", "sb:$node", "1", []string{"$node"}, false},
		{"Laravel's", "app_private-news", laravel, []string{"private-news"}, false},
		{"no channel of Laravel's", "app_$node", laravel, nil, false},
		{"no channel of Socket.IO's", "socket.io#/#$node#", string(goal.data(t)), nil, false},
		{"two rooms", "socket.io#/#", string(goal.data(t)), []string{"news", "42"}, false},
		{"another namespace", "socket.io#/admin#news#", string(goal.data(t)), nil, true},
		{"a request", "socket.io-request#/#", `{"type":4}`, nil, false},
		{"somebody else's", "other", "1", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSet(t, Config{Prefix: "sb:", Dialects: []string{SocketIO, Laravel}, LaravelPrefix: "app_", MaxPublish: 1000})
			list, err := s.deliveries(tt.channel, []byte(tt.data))
			var got []string
			for _, d := range list {
				got = append(got, d.Tag)
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) || (s.Refused() > 0) != tt.refused {
				t.Errorf("Read(%q) = %q, %v, %d refused, want %q", tt.channel, got, err, s.Refused(), tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   string // part of the fault; empty: there is none
	}{
		{Config{}, ""},
		{Config{Dialects: []string{SocketIO, Laravel}, Key: "app", Everybody: "all"}, ""},
		{Config{Dialects: []string{"pusher"}}, "pusher"},
		{Config{Key: "a#"}, "a#"},
		{Config{Key: "*"}, "*"},
		{Config{Everybody: "$all"}, "everybody"},
	} {
		if err := tt.config.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Validate(%+v) = %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, plain string }{
		{`{"event":"goal","data":{"a":[1, 2]},"socket":"x"}`, `{"event":"goal","data":{"a":[1,2]}}`},
		{`{"event":"App\\Events\\Goal","data":{"n":1,"socket":null},"socket":null}`, `{"event":"App\\Events\\Goal","data":{"n":1,"socket":null}}`},
		{`{"event": "goal"}`, `{"event":"goal"}`},
		{`{"event":"goal","rooms":["a","b"],"except":["c"],"more":[1]}`, `{"event":"goal","more":[1]}`},
		{`{"event":""}`, ""},
		{`{"event":1}`, ""},
		{`{"event":"goal"`, ""},
		{`{"data":1,"event":"goal"}`, ""},
		{`["event"]`, ""},
		{`1`, ""},
	} {
		m := Parse([]byte(tt.in))
		switch {
		case (m == nil) != (tt.plain == ""):
			t.Errorf("Parse(%s) = %+v", tt.in, m)
		case m != nil && string(m.Plain()) != tt.plain:
			t.Errorf("Parse(%s).Plain() = %s, want %s", tt.in, m.Plain(), tt.plain)
		}
	}
}
