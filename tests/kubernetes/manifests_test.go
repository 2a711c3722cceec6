// Package kubernetes holds examples/kubernetes against the types of the
// Kubernetes API, and against the server that is to run by them. It is a module of
// its own, so that the server depends on none of this.
package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of the example, decoded strictly: a field that the API
// does not know, or that stands twice, is an error.
func manifests(t *testing.T) map[string]runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, apps.AddToScheme, policy.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	files, err := filepath.Glob("../../examples/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no manifests: %v", err)
	}
	objects := make(map[string]runtime.Object)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := yamlutil.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
		for i := 0; ; i++ {
			document := make([]byte, len(data))
			n, err := documents.Read(document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			object, kind, err := decoder.Decode(document[:n], nil, nil)
			if err != nil {
				t.Fatalf("%s, document %d: %v", file, i, err)
			}
			objects[kind.Kind] = object
		}
	}
	return objects
}

func find[T runtime.Object](t *testing.T, objects map[string]runtime.Object, kind string) T {
	t.Helper()
	object, ok := objects[kind].(T)
	if !ok {
		t.Fatalf("there is no %s", kind)
	}
	return object
}

func TestManifests(t *testing.T) {
	objects := manifests(t)
	deployment := find[*apps.Deployment](t, objects, "Deployment")
	service := find[*core.Service](t, objects, "Service")
	budget := find[*policy.PodDisruptionBudget](t, objects, "PodDisruptionBudget")
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]

	for what, selector := range map[string]map[string]string{
		"the deployment": deployment.Spec.Selector.MatchLabels, "the service": service.Spec.Selector, "the budget": budget.Spec.Selector.MatchLabels,
		"the spread": pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %v, which the pods, %v, are not", what, selector, pod.Labels)
		}
	}
	port := container.Ports[0]
	if service.Spec.Ports[0].TargetPort.StrVal != port.Name {
		t.Errorf("the service goes to %s, and the port is %s", service.Spec.Ports[0].TargetPort.StrVal, port.Name)
	}
	for what, probe := range map[string]struct {
		probe *core.Probe
		path  string
	}{
		"startup": {container.StartupProbe, "/readyz"}, "readiness": {container.ReadinessProbe, "/readyz"}, "liveness": {container.LivenessProbe, "/healthz"},
	} {
		if get := probe.probe.HTTPGet; get.Path != probe.path || get.Port.StrVal != port.Name {
			t.Errorf("%s asks %s at %s, want %s at %s", what, get.Path, get.Port.StrVal, probe.path, port.Name)
		}
	}
	if budget.Spec.MaxUnavailable.IntVal >= *deployment.Spec.Replicas {
		t.Error("the budget lets all go at once")
	}
	if !*pod.Spec.SecurityContext.RunAsNonRoot || *container.SecurityContext.AllowPrivilegeEscalation || !*container.SecurityContext.ReadOnlyRootFilesystem {
		t.Error("the container may do more than it needs to")
	}
	volumes := make(map[string]bool)
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("%s is mounted, and no volume", mount.Name)
		}
	}
}

// The server takes the configuration and the secrets as a pod has them; only Redis
// is not there.
func TestConfiguration(t *testing.T) {
	objects := manifests(t)
	deployment := find[*apps.Deployment](t, objects, "Deployment")
	pod := deployment.Spec.Template.Spec
	text := find[*core.ConfigMap](t, objects, "ConfigMap").Data["stream-server.yaml"]
	var settings struct {
		Drain, Listen string
	}
	if err := yaml.Unmarshal([]byte(text), &settings); err != nil {
		t.Fatal(err)
	}
	drain, err := time.ParseDuration(settings.Drain)
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; err != nil || grace <= drain+5*time.Second {
		t.Errorf("a pod has %v to end, which is not above the drain, %v, and 5 s", grace, drain)
	}
	if want := fmt.Sprintf(":%d", pod.Containers[0].Ports[0].ContainerPort); settings.Listen != want {
		t.Errorf("it listens on %s, and the port is %s", settings.Listen, want)
	}

	dir := t.TempDir()
	for name, value := range find[*core.Secret](t, objects, "Secret").StringData {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if mount.Name == "secrets" {
			text = strings.ReplaceAll(text, mount.MountPath, dir)
		}
	}
	text = strings.Replace(text, "redis://redis:6379", "redis://127.0.0.1:1", 1)
	text = strings.Replace(text, settings.Listen, "127.0.0.1:0", 1)
	config := filepath.Join(dir, "stream-server.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "stream-server")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := exec.Command(binary, "--config", config, "--node-address", "http://10.0.0.5:8080")
	out, err := run.CombinedOutput()
	if err == nil || run.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "127.0.0.1:1: connect: connection refused") {
		t.Errorf("the server ended with %d and %s, want 1, for want of Redis only", run.ProcessState.ExitCode(), out)
	}
}
