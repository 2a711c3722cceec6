package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/sb-stream/stream-server/internal/streams"
)

// A store is the file of durable messages: a database of bbolt with one
// transaction for each batch, which is on the disk before it ends.
//
// The bucket "stream" has each message under its id: a checksum, when it came,
// the length of the tag, the tag, the data. The bucket "ids" has the ids that say where the
// stream ends and which of it is gone. All numbers are big-endian.
//
// One goroutine writes.
type store struct{ db *bbolt.DB }

const (
	storeFile = "stream.db"
	lockTime  = time.Second // that another process may hold the file
	idSize    = 16
	frontSize = 4 + 8 + 1 // the checksum, the time, and the length of a tag: tags.Max fits
)

var (
	streamBucket = []byte("stream")
	idsBucket    = []byte("ids")
	lastKey      = []byte("last")
	goneKey      = []byte("gone")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// openStore opens the file in dir, which is made if it is not there, and reads
// what it holds into s. All of it is looked at: a file that was torn or changed
// is an error now, rather than a surprise later.
func openStore(dir string, s *stream) (st *store, err error) {
	path := filepath.Join(dir, storeFile)
	// A file that ends before it should is a fault of memory where it is mapped,
	// and a wrong page one of the library's panics.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			st, err = nil, damaged(path, fmt.Errorf("%v", cause))
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: --broker-dir: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTime, FreelistType: bbolt.FreelistMapType})
	var fault *fs.PathError
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("embedded: another process uses %s", path)
	case errors.As(err, &fault):
		return nil, fmt.Errorf("embedded: --broker-dir: %w", err)
	case err != nil:
		return nil, damaged(path, err)
	}
	if err := db.Update(prepare); err != nil {
		_ = db.Close()
		return nil, damaged(path, err)
	}
	if err := db.View(s.load); err != nil {
		_ = db.Close()
		return nil, damaged(path, err)
	}
	return &store{db}, nil
}

// damaged is the error of a file that cannot be used, with what to do about it.
func damaged(path string, cause error) error {
	return fmt.Errorf("embedded: %s is damaged (%w): bring back a copy of it, or move it away to begin anew without its messages", path, cause)
}

func prepare(tx *bbolt.Tx) error {
	for _, name := range [][]byte{streamBucket, idsBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// load reads a file into an empty stream.
func (s *stream) load(tx *bbolt.Tx) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	ids := tx.Bucket(idsBucket)
	if s.last, err = loadID(ids.Get(lastKey)); err != nil {
		return err
	}
	if s.gone, err = loadID(ids.Get(goneKey)); err != nil {
		return err
	}
	before := s.gone
	err = tx.Bucket(streamBucket).ForEach(func(key, value []byte) error {
		r, err := decode(key, value)
		if err != nil {
			return err
		}
		if r.id.Compare(s.gone) <= 0 {
			return nil // it goes with the next write
		}
		if r.id.Compare(before) <= 0 || r.id.Compare(s.last) > 0 {
			return fmt.Errorf("%v is out of order", r.id)
		}
		before = r.id
		s.records = append(s.records, r)
		s.bytes += r.size()
		return nil
	})
	return err
}

func loadID(b []byte) (streams.ID, error) {
	if b == nil {
		return streams.ID{}, nil
	}
	return decodeID(b)
}

// write adds records and drops those up to gone, in one transaction. When it
// returns they are on the disk.
func (s *store) write(add []record, gone streams.ID) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		bucket, ids := tx.Bucket(streamBucket), tx.Bucket(idsBucket)
		bucket.FillPercent = 0.95 // ids grow: pages are not written again
		for c := bucket.Cursor(); ; {
			key, _ := c.First()
			id, err := decodeID(key)
			if err != nil || id.Compare(gone) > 0 {
				break // nothing that is gone is left
			}
			if err := c.Delete(); err != nil {
				return err
			}
		}
		for i := range add {
			if err := bucket.Put(encodeID(add[i].id), encode(&add[i])); err != nil {
				return err
			}
		}
		if err := ids.Put(goneKey, encodeID(gone)); err != nil {
			return err
		}
		return ids.Put(lastKey, encodeID(add[len(add)-1].id))
	})
}

func (s *store) close() error { return s.db.Close() }

func encodeID(id streams.ID) []byte {
	b := make([]byte, idSize)
	binary.BigEndian.PutUint64(b, id.MS)
	binary.BigEndian.PutUint64(b[8:], id.Seq)
	return b
}

func decodeID(b []byte) (streams.ID, error) {
	if len(b) != idSize {
		return streams.ID{}, fmt.Errorf("an id of %d bytes", len(b))
	}
	return streams.ID{MS: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])}, nil
}

// encode is a record as the file has it, without its id.
func encode(r *record) []byte {
	b := make([]byte, 0, frontSize+len(r.tag)+len(r.data))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(r.at))
	b = append(b, byte(len(r.tag)))
	b = append(b, r.tag...)
	b = append(b, r.data...)
	binary.BigEndian.PutUint32(b, checksum(encodeID(r.id), b))
	return b
}

// decode is the reverse of encode. The record is a copy.
func decode(key, value []byte) (record, error) {
	id, err := decodeID(key)
	if err != nil {
		return record{}, err
	}
	if len(value) < frontSize || len(value) < frontSize+int(value[frontSize-1]) {
		return record{}, fmt.Errorf("%v is too short", id)
	}
	if checksum(key, value) != binary.BigEndian.Uint32(value) {
		return record{}, fmt.Errorf("%v has a wrong checksum", id)
	}
	end := frontSize + int(value[frontSize-1])
	return record{
		id: id, at: int64(binary.BigEndian.Uint64(value[4:])),
		tag: string(value[frontSize:end]), data: slices.Clone(value[end:]),
	}, nil
}

// checksum is that of an id and all that follows the place of the checksum.
func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[4:])
}
