package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"
)

type buildRequest struct {
	// Files are those of the tree that are valid UTF-8, Binary the others (base64); names are relative to the tree.
	Files  map[string]string `json:"files"`
	Binary map[string][]byte `json:"binary"`
	// Path is the directory to build.
	Path string `json:"path"`
	// Rewrite names a kustomization file that is read leniently: what the library's type does not know is dropped, and
	// numbers and booleans become text where it wants text.
	Rewrite string `json:"rewrite"`
	// Manifests are files of which the first that does not decode explains a failure.
	Manifests []string `json:"manifests"`
}

type rendered struct {
	Object json.RawMessage `json:"object"`
	Text   string          `json:"text"`
}

type response struct {
	Resources []rendered `json:"resources"`
	Error     string     `json:"error,omitempty"`
	// Step says what failed: "read" (the tree, a kustomization or a manifest in it) or "build".
	Step string `json:"step,omitempty"`
}

var defaultSchema string

// prepareSchemas puts the library's global schema into the state in which every build starts: the built-in one is
// loaded, so that a custom schema adds to it.
func prepareSchemas() {
	openapi.ResetOpenAPI()
	openapi.Schema()
	defaultSchema = openapi.GetSchemaVersion()
}

// build runs one build on a file system in memory that holds the tree and nothing else.
func build(asked buildRequest) response {
	// An absolute name in a tree must not hit by guessing, hence a root that differs each time.
	root := "/" + rand.Text()
	files, err := load(root, asked)
	if err != nil {
		return failure(root, "read", err)
	}
	resources, err := run(files, path.Join(root, asked.Path))
	// A build that names another schema leaves it behind; parsing the built-in one costs far more than a build.
	if openapi.GetSchemaVersion() != defaultSchema {
		prepareSchemas()
	}
	if err != nil {
		if better := explain(files, root, asked.Manifests); better != nil {
			return failure(root, "read", better)
		}
		return failure(root, "build", err)
	}
	answer := response{Resources: make([]rendered, 0, resources.Size())}
	for _, resource := range resources.Resources() {
		object, err := resource.MarshalJSON()
		if err != nil {
			return failure(root, "build", err)
		}
		text, err := yaml.JSONToYAML(object)
		if err != nil {
			return failure(root, "build", err)
		}
		answer.Resources = append(answer.Resources, rendered{Object: object, Text: string(text)})
	}
	return answer
}

func run(files filesys.FileSystem, directory string) (result resmap.ResMap, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("recovered from kustomize build panic: %v", problem)
		}
	}()
	options := &krusty.Options{
		Reorder:          krusty.ReorderOptionNone,
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}
	return krusty.MakeKustomizer(options).Run(files, directory)
}

func load(root string, asked buildRequest) (filesys.FileSystem, error) {
	files := filesys.MakeFsInMemory()
	if err := files.MkdirAll(path.Join(root, asked.Path)); err != nil {
		return nil, err
	}
	write := func(name string, content []byte) error {
		if name == "" || name != strings.TrimPrefix(path.Clean("/"+name), "/") {
			return fmt.Errorf("file name %q does not stay inside the tree", name)
		}
		return files.WriteFile(path.Join(root, name), content)
	}
	for name, content := range asked.Files {
		if err := write(name, []byte(content)); err != nil {
			return nil, err
		}
	}
	for name, content := range asked.Binary {
		if err := write(name, content); err != nil {
			return nil, err
		}
	}
	if asked.Rewrite == "" {
		return files, nil
	}
	content, err := normalise([]byte(asked.Files[asked.Rewrite]))
	if err != nil {
		return nil, err
	}
	return files, write(asked.Rewrite, content)
}

func normalise(content []byte) ([]byte, error) {
	var kustomization types.Kustomization
	if err := yaml.Unmarshal(content, &kustomization); err != nil {
		return nil, err
	}
	return yaml.Marshal(kustomization)
}

// explain returns why the first of the named manifests does not decode, or nil when all do.
func explain(files filesys.FileSystem, root string, names []string) error {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	for _, name := range names {
		if err := decode(files, path.Join(root, name), func(content []byte) error {
			_, err := factory.SliceFromBytes(content)
			return err
		}); err != nil {
			return fmt.Errorf("failed to decode Kubernetes YAML from %s: %w", name, err)
		}
	}
	return nil
}

func decode(files filesys.FileSystem, name string, parse func([]byte) error) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("recovered from panic: %v", problem)
		}
	}()
	content, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	return parse(content)
}

// failure passes on what the library said, with the names as they are in the tree.
func failure(root, step string, err error) response {
	text := strings.ReplaceAll(err.Error(), root+"/", "")
	return response{Error: strings.ReplaceAll(text, root, "."), Step: step}
}
