// Wineshim writes bcryptprimitives.dll for a Wine that lacks it: Go programs
// take their random numbers from its ProcessPrng. The file has no code. Its only
// export is a forwarder to advapi32.SystemFunction036, which is RtlGenRandom.
//
//	go run ./internal/cmd/wineshim $WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
//
// The layout is that of the PE format:
// https://learn.microsoft.com/windows/win32/debug/pe-format
package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"os"
)

const (
	fileAlign    = 0x200
	sectionAlign = 0x1000
	headerSize   = fileAlign
	sectionRVA   = sectionAlign
	peOffset     = 0x40 // right behind the DOS header
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: wineshim FILE")
		os.Exit(2)
	}
	image := library("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036")
	if err := os.WriteFile(os.Args[1], image, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "wineshim:", err)
		os.Exit(1)
	}
}

// library is a DLL for amd64 whose one export is forwarded.
func library(name, export, target string) []byte {
	exports := exportSection(name, export, target)
	var b bytes.Buffer
	dos := make([]byte, peOffset)
	copy(dos, "MZ")
	binary.LittleEndian.PutUint32(dos[0x3c:], peOffset)
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	write(&b, pe.FileHeader{
		Machine:              pe.IMAGE_FILE_MACHINE_AMD64,
		NumberOfSections:     1,
		SizeOfOptionalHeader: uint16(binary.Size(pe.OptionalHeader64{})),
		Characteristics:      pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DLL,
	})
	optional := pe.OptionalHeader64{
		Magic:                 0x20b,
		SizeOfInitializedData: fileAlign,
		ImageBase:             0x180000000,
		SectionAlignment:      sectionAlign,
		FileAlignment:         fileAlign,
		MajorSubsystemVersion: 6,
		SizeOfImage:           2 * sectionAlign,
		SizeOfHeaders:         headerSize,
		Subsystem:             pe.IMAGE_SUBSYSTEM_WINDOWS_GUI,
		DllCharacteristics:    pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
		NumberOfRvaAndSizes:   16,
	}
	optional.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: sectionRVA, Size: uint32(len(exports))}
	write(&b, optional)
	section := pe.SectionHeader32{
		VirtualSize:      uint32(len(exports)),
		VirtualAddress:   sectionRVA,
		SizeOfRawData:    fileAlign,
		PointerToRawData: headerSize,
		Characteristics:  pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ,
	}
	copy(section.Name[:], ".rdata")
	write(&b, section)
	b.Write(make([]byte, headerSize-b.Len()))
	b.Write(exports)
	b.Write(make([]byte, fileAlign-len(exports)))
	return b.Bytes()
}

// exportSection is an export directory and what it points to. An address inside
// of it is not a function's but a forwarder's.
func exportSection(name, export, target string) []byte {
	const directory = 40
	const addresses, names, ordinals, text = directory, directory + 4, directory + 8, directory + 10
	targetAt := uint32(text)
	exportAt := targetAt + uint32(len(target)) + 1
	nameAt := exportAt + uint32(len(export)) + 1
	var b bytes.Buffer
	write(&b, struct {
		Flags, Time                         uint32
		Major, Minor                        uint16
		Name, Base, Functions, Names        uint32
		AddressesRVA, NamesRVA, OrdinalsRVA uint32
		FirstAddress, FirstName             uint32
		FirstOrdinal                        uint16
	}{
		Name: sectionRVA + nameAt, Base: 1, Functions: 1, Names: 1,
		AddressesRVA: sectionRVA + addresses, NamesRVA: sectionRVA + names, OrdinalsRVA: sectionRVA + ordinals,
		FirstAddress: sectionRVA + targetAt, FirstName: sectionRVA + exportAt,
	})
	for _, s := range []string{target, export, name} {
		b.WriteString(s + "\x00")
	}
	return b.Bytes()
}

func write(b *bytes.Buffer, v any) { binary.Write(b, binary.LittleEndian, v) }
