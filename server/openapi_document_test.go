package server_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// An object is one of JSON.
type object = map[string]any

// methods are those that a path of OpenAPI may have, but for TRACE, which
// net/http does not pass on as others.
var methods = []string{"get", "head", "post", "put", "patch", "delete", "options"}

// A document is docs/openapi.yaml, of OpenAPI 3.1, whose schemas are those of
// JSON Schema 2020-12.
type document struct {
	t    *testing.T
	root object
}

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := &document{t: t}
	if err := yaml.Unmarshal(text, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

// resolve follows a reference within the document.
func (d *document) resolve(node any) object {
	d.t.Helper()
	o, _ := node.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	var at any = d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(object)[name]
	}
	if at == nil {
		d.t.Fatalf("the document has no %s", ref)
	}
	return d.resolve(at)
}

// paths are all paths. One with a parameter that can be told is there
// once for each of its values.
func (d *document) paths() map[string]object {
	all := make(map[string]object)
	for path, item := range d.root["paths"].(object) {
		item := item.(object)
		all[path] = item
		for _, p := range d.parameters(item, "get") {
			values, ok := d.resolve(p["schema"])["enum"].([]any)
			if !ok || p["in"] != "path" {
				continue
			}
			delete(all, path)
			for _, value := range values {
				all[strings.ReplaceAll(path, "{"+p["name"].(string)+"}", value.(string))] = item
			}
		}
	}
	return all
}

// operation is what the document says of a method of a path; nil if nothing.
func (d *document) operation(path, method string) object {
	item, _ := d.root["paths"].(object)[path].(object)
	o, _ := item[method].(object)
	return o
}

// parameters are those of an operation, with those of its path.
func (d *document) parameters(item object, method string) []object {
	own, _ := item[method].(object)
	ours, _ := item["parameters"].([]any)
	theirs, _ := own["parameters"].([]any)
	var list []object
	for _, p := range slices.Concat(ours, theirs) {
		list = append(list, d.resolve(p))
	}
	return list
}

// template matches what may be asked for at a path of the document.
func template(path string) *regexp.Regexp {
	quoted := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
	return regexp.MustCompile("^" + quoted + "$")
}

// fault is what is wrong with a value that is to be as schema says; nil if
// nothing is. Objects have no properties that the schema does not name.
func (d *document) fault(schema any, value any) error {
	d.t.Helper()
	text, err := json.Marshal(d.closed(schema))
	if err != nil {
		d.t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", parsed); err != nil {
		d.t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		d.t.Fatal(err)
	}
	return compiled.Validate(value)
}

// closed is a schema without references, in which the objects that it describes
// as such have no other properties.
func (d *document) closed(schema any) object {
	o := d.inlined(schema)
	if o["type"] != "object" && o["allOf"] == nil && o["oneOf"] == nil {
		return o // anything, or no object, or it only narrows what another one says
	}
	return object{"allOf": []any{o}, "unevaluatedProperties": false}
}

// inlined is a schema without references, and whose parts are closed.
func (d *document) inlined(schema any) object {
	o := maps.Clone(d.resolve(schema))
	for key, value := range o {
		switch key {
		case "allOf", "anyOf", "oneOf":
			o[key] = each(value, d.inlined)
		case "prefixItems":
			o[key] = each(value, d.closed)
		case "items", "additionalProperties":
			if _, ok := value.(object); ok {
				o[key] = d.closed(value)
			}
		case "properties":
			properties := make(object)
			for name, one := range value.(object) {
				properties[name] = d.closed(one)
			}
			o[key] = properties
		}
	}
	return o
}

func each(list any, f func(any) object) []any {
	var made []any
	for _, one := range list.([]any) {
		made = append(made, f(one))
	}
	return made
}

// The document has the routes of the server, with their methods, and no others.
func TestOpenAPIRoutes(t *testing.T) {
	d, n := readDocument(t), startLone(t)
	paths := d.paths()
	routed := make(map[string]bool)
	for _, pattern := range n.Patterns() {
		method, path, only := strings.Cut(pattern, " ")
		if !only {
			path = method
		}
		path = strings.TrimSuffix(path, "{$}")
		routed[path] = true
		item, ok := paths[path]
		switch {
		case !ok:
			t.Errorf("the document has no %s", pattern)
		case only && item[strings.ToLower(method)] == nil:
			t.Errorf("the document has %s, and not with %s", path, method)
		}
	}
	asked := strings.NewReplacer("{channel}", "x", "{tag}", "x", "{id}", "x")
	for path, item := range paths {
		if !routed[path] {
			t.Errorf("the document has %s, and the server has not", path)
		}
		for _, method := range methods {
			if item[method] != nil || method == "head" && item["get"] != nil {
				continue
			}
			want := 405
			if path == "/socket.io/" {
				want = 400
			}
			if got := n.request(t, strings.ToUpper(method), asked.Replace(path)).StatusCode; got != want {
				t.Errorf("%s %s, which is not in the document, is answered %d, want %d", method, path, got, want)
			}
		}
	}
}

// The page for people has every path too.
func TestOpenAPIPage(t *testing.T) {
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for path := range readDocument(t).root["paths"].(object) {
		if !bytes.Contains(text, []byte("`"+path+"`")) {
			t.Errorf("docs/http-api.md has no %s", path)
		}
	}
}

// What holds answers against the document finds what is wrong with them.
func TestOpenAPIFaults(t *testing.T) {
	d := readDocument(t)
	ref := func(name string) object { return object{"$ref": "#/components/schemas/" + name} }
	const held = `"nodes":1,"answered":1`
	for _, tt := range []struct {
		schema, value string
		ok            bool
	}{
		{"Failure", `{"error":{"code":"forbidden","message":"no"}}`, true},
		{"Failure", `{"error":{"code":"forbidden","message":"no","x":1}}`, false},
		{"Failure", `{"error":{"code":"forbidden","message":"no"},"x":1}`, false},
		{"Failure", `{"error":{"code":"odd","message":"no"}}`, false},
		{"NotFound", `{"error":{"code":"forbidden","message":"no"}}`, false},
		{"ChannelList", `{"channels":[],` + held + `}`, true},
		{"ChannelList", `{"channels":[],` + held + `,"x":1}`, false},
		{"ChannelList", `{"channels":[{"channel":"x","sessions":1,"x":1}],` + held + `}`, false},
		{"ChannelList", `{"channels":null,` + held + `}`, false},
		{"ChannelList", `{"channels":[]}`, false},
		{"Publication", `{"channel":"x","data":{"any":{"thing":1}}}`, true},
		{"Publication", `{"data":1}`, false},
		{"PublishAnswer", `{"channels":{"x":{"sessions":1,"x":1}}}`, false},
		{"Polled", `{"position":"","channels":{},"messages":[{"channel":"x","data":{"a":1},"position":"","x":1}]}`, false},
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.value))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.fault(ref(tt.schema), value); (err == nil) != tt.ok {
			t.Errorf("%s %s: %v, want ok %v", tt.schema, tt.value, err, tt.ok)
		}
	}
}
