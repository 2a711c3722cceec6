package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// A flag with the tag secret:"" has a twin, --…-file, that names a file with
// its value: what stands on the command line or in the environment is seen by
// other programs. Nothing else is needed for one more.

// secretFiles are the twins: for each the flag whose value its file has.
type secretFiles map[*kong.Flag]*kong.Flag

// maxSecretFile is more than all keys of a server have, in bytes.
const maxSecretFile = 64 << 10

// add is a kong.PostBuild. It comes before kong.DefaultEnvars, so that the
// twins have their variables too.
func (s secretFiles) add(k *kong.Kong) error {
	paths := kong.NewRegistry().RegisterDefaults()
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		var command *kong.Node
		switch node := node.(type) {
		case *kong.Application:
			command = node.Node
		case *kong.Node:
			command = node
		default:
			return next(nil)
		}
		flags := command.Flags
		command.Flags = nil
		for _, flag := range flags {
			command.Flags = append(command.Flags, flag)
			if !flag.Tag.Has("secret") {
				continue
			}
			help := "The file that holds --" + flag.Name + "."
			if flag.IsSlice() {
				help = "The file that holds --" + flag.Name + ", one on a line, or as PEM."
			}
			path := reflect.New(reflect.TypeFor[string]()).Elem()
			twin := &kong.Flag{PlaceHolder: "FILE", Group: flag.Group, Value: &kong.Value{
				Name: flag.Name + "-file", Help: help, OrigHelp: help, Target: path,
				DefaultValue: reflect.New(path.Type()).Elem(), Mapper: paths.ForValue(path), Tag: &kong.Tag{},
			}}
			twin.Flag = twin
			s[twin] = flag
			command.Flags = append(command.Flags, twin)
		}
		return next(nil)
	})
}

// read sets the flags whose twins the command line or the environment has.
// Its errors name the file, and nothing of what is in it.
func (s secretFiles) read(command *kong.Context) error {
	var faults []error
	for _, twin := range command.Flags() {
		flag, path := s[twin], twin.Target
		if flag == nil || path.String() == "" {
			continue
		}
		if !flag.Target.IsZero() {
			faults = append(faults, fmt.Errorf("--%s and --%s are both set: want one", flag.Name, twin.Name))
			continue
		}
		lines, err := readSecret(path.String(), flag.IsSlice())
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s: %w", twin.Name, err))
			continue
		}
		if flag.IsSlice() {
			flag.Target.Set(reflect.ValueOf(lines))
		} else {
			flag.Target.SetString(lines[0])
		}
	}
	return errors.Join(faults...)
}

// readSecret is the text of a file without the end of its last line, or its
// lines. A file without any is an error: it would switch off what it was to
// protect.
func readSecret(path string, list bool) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case len(data) > maxSecretFile:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxSecretFile)
	case text == "":
		return nil, fmt.Errorf("%s is empty", path)
	case !list:
		return []string{text}, nil
	}
	return secretLines(text), nil
}

// secretLines are the secrets of a list: lines, and what PEM has on several.
func secretLines(text string) (list []string) {
	block := "" // of PEM that has not ended yet
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case block != "":
			block += "\n" + line
		case strings.HasPrefix(line, "-----BEGIN "):
			block = line
		case line != "":
			list = append(list, line)
		}
		if block != "" && strings.HasPrefix(line, "-----END ") {
			list, block = append(list, block), ""
		}
	}
	if block != "" {
		list = append(list, block) // whoever reads it says what is wrong
	}
	return list
}
