package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	prepareSchemas()
	os.Exit(m.Run())
}

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  port: \"80\"\n"
}

func TestFramesAnswerRequestsInOrder(t *testing.T) {
	var in, out bytes.Buffer
	feed := bufio.NewWriter(&in)
	for _, body := range []string{
		`{"op":"build","files":{"kustomization.yaml":"resources: [a.yaml]","a.yaml":` + quote(configMap("a")) + `}}`,
		`not JSON`,
		`{"op":"template"}`,
	} {
		if err := writeFrame(feed, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(&in, bufio.NewWriter(&out)); err != nil {
		t.Fatal(err)
	}
	want := []string{`"name":"a"`, "request is not understood", "is unknown"}
	for _, text := range want {
		answer, err := readFrame(&out)
		if err != nil || !strings.Contains(string(answer), text) {
			t.Fatalf("want %s, got %s, %v", text, answer, err)
		}
	}
}

func TestTextIsWhatTheLibraryEmits(t *testing.T) {
	answer := build(buildRequest{Files: map[string]string{
		"kustomization.yaml": "resources: [b.yaml, a.yaml]", "a.yaml": configMap("a"), "b.yaml": configMap("b"),
	}})
	if answer.Error != "" || len(answer.Resources) != 2 {
		t.Fatal(answer)
	}
	want := "apiVersion: v1\ndata:\n  port: \"80\"\nkind: ConfigMap\nmetadata:\n  name: b\n"
	if answer.Resources[0].Text != want {
		t.Fatalf("got %q", answer.Resources[0].Text)
	}
}

func TestRewriteDropsUnknownFieldsAndMakesText(t *testing.T) {
	files := map[string]string{
		"kustomization.yaml": `{"resources": ["a.yaml"], "other": 1, "commonAnnotations": {"on": true, "n": 1.50}}`,
		"a.yaml":             configMap("a"),
	}
	if answer := build(buildRequest{Files: files}); !strings.Contains(answer.Error, "invalid Kustomization") {
		t.Fatal(answer)
	}
	answer := build(buildRequest{Files: files, Rewrite: "kustomization.yaml"})
	if answer.Error != "" || !strings.Contains(answer.Resources[0].Text, "\"1.5\"\n    \"on\": \"true\"") {
		t.Fatal(answer)
	}
}

func TestFailureNamesTheManifestAndNoRoot(t *testing.T) {
	answer := build(buildRequest{
		Files:     map[string]string{"app/kustomization.yaml": "resources: [x.yaml]", "app/x.yaml": "kind: x\n"},
		Path:      "app",
		Manifests: []string{"app/x.yaml"},
	})
	if answer.Step != "read" || !strings.HasPrefix(answer.Error, "failed to decode Kubernetes YAML from app/x.yaml: ") {
		t.Fatal(answer)
	}
	answer = build(buildRequest{Files: map[string]string{"app/kustomization.yaml": "resources: [x.yaml]"}, Path: "app"})
	if answer.Step != "build" || !strings.Contains(answer.Error, "accumulating resources from 'x.yaml'") {
		t.Fatal(answer)
	}
}

func TestNamesOutsideTheTreeAreRefused(t *testing.T) {
	for _, name := range []string{"../a", "/a", "a/../../b", "a//b", "."} {
		answer := build(buildRequest{Files: map[string]string{name: ""}})
		if !strings.Contains(answer.Error, "does not stay inside the tree") {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

func TestCustomSchemaDoesNotOutliveItsBuild(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\nspec:\n  template:\n    spec:\n" +
		"      containers:\n      - name: a\n        image: one\n      - name: b\n        image: two\n"
	const patched = "resources: [d.yaml]\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n" +
		"    metadata: {name: x}\n    spec: {template: {spec: {containers: [{name: a, image: new}]}}}\n"
	const schema = `{"definitions": {"x": {"type": "object", "properties": {"spec": {"type": "object"}},
		"x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}]}}}`
	plain := map[string]string{"kustomization.yaml": patched, "d.yaml": deployment}
	before := build(buildRequest{Files: plain})
	custom := build(buildRequest{Files: map[string]string{
		"kustomization.yaml": patched + "openapi: {path: s.json}\n", "d.yaml": deployment, "s.json": schema,
	}})
	after := build(buildRequest{Files: plain})
	if custom.Error != "" || strings.Contains(custom.Resources[0].Text, "two") {
		t.Fatalf("the custom schema was not used: %v", custom)
	}
	if before.Error != "" || before.Resources[0].Text != after.Resources[0].Text {
		t.Fatalf("want %v, got %v", before, after)
	}
}

func quote(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}
