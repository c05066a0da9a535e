package main

import (
	"bytes"
	"debug/pe"
	"testing"
)

// The file is one that a reader of the format takes, with the export in it.
func TestLibraryIsAPortableExecutable(t *testing.T) {
	image := library("a.dll", "Export", "b.Target")
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.Sections[0].Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a.dll\x00", "Export\x00", "b.Target\x00"} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("the section has no %q", want)
		}
	}
	if len(image) != headerSize+fileAlign {
		t.Errorf("the file has %d bytes, want %d", len(image), headerSize+fileAlign)
	}
}
