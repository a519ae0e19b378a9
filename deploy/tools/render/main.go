// Command render builds trees of manifests with kustomize's own library, for a process that asks over a pipe.
//
// It reads framed requests on stdin and answers each with one frame on stdout; a frame is a length of four bytes, big
// endian, and that many bytes of JSON. One request is answered at a time, and the end of stdin ends the process.
//
// It holds no policy: which tree, which directory and what the result means is decided by the caller. It must not read
// a file, reach the network or start a process, whatever a tree asks for; see confine.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// maxRequest bounds what a broken length can make this process allocate.
const maxRequest = 1 << 30

type request struct {
	Op string `json:"op"`
	buildRequest
}

func main() {
	memory := flag.Int64("memory", 0, "bytes of memory this process may use; 0 sets no limit")
	flag.Parse()
	in, out, err := confine(*memory)
	if err == nil {
		err = serve(bufio.NewReaderSize(in, 1<<16), bufio.NewWriterSize(out, 1<<16))
	}
	if err != nil {
		os.Exit(1)
	}
}

// serve answers requests until the input ends; an error means that the two sides no longer agree on where frames begin.
func serve(in io.Reader, out *bufio.Writer) error {
	prepareSchemas()
	for {
		body, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := json.Marshal(respond(body))
		if err != nil {
			return err
		}
		if err := writeFrame(out, answer); err != nil {
			return err
		}
	}
}

func respond(body []byte) response {
	var asked request
	if err := json.Unmarshal(body, &asked); err != nil {
		return response{Error: fmt.Sprintf("request is not understood: %v", err), Step: "read"}
	}
	switch asked.Op {
	case "build":
		return build(asked.buildRequest)
	default:
		return response{Error: fmt.Sprintf("operation %q is unknown", asked.Op), Step: "read"}
	}
}

func readFrame(in io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxRequest {
		return nil, fmt.Errorf("request of %d bytes is larger than %d", size, maxRequest)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, fmt.Errorf("request is cut short: %w", err)
	}
	return body, nil
}

func writeFrame(out *bufio.Writer, body []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(body)))
	if _, err := out.Write(head[:]); err != nil {
		return err
	}
	if _, err := out.Write(body); err != nil {
		return err
	}
	return out.Flush()
}
