// Copyright 2024 The Example Authors. All rights reserved.
// Use of this source code is governed by the license file.

// Package pool keeps connections open for later use.
package pool

import (
	"context"
	errs "errors"
	"testing"
)

import "net"

// ErrClosed says that the pool was closed.
var ErrClosed = errs.New("pool: closed")

const (
	// StateIdle is the first state.
	StateIdle State = iota
	StateBusy
)

const maxIdle = 4

type State int

// Pool is a set of connections.
type Pool[T any] struct {
	net.Dialer
	mu    sync.Mutex
	idle  []*Conn
	Limit, Max int
}

type (
	Conn struct{ raw net.Conn }
	Alias = Pool[int]
)

// Dialer makes connections.
type Dialer interface {
	io.Closer
	Dial(ctx context.Context, addr string) (*Conn, error)
}

type handler func(w Writer) error

// New makes a pool.
func New[T any](d Dialer, opts ...Option) (*Pool[T], error) {
	p := &Pool[T]{}
	for _, o := range opts {
		o(p)
	}
	return p, nil
}

// Get takes a connection out of the pool,
// or dials a new one.
func (p *Pool[T]) Get(ctx context.Context) (*Conn, error) {
	const local = 3
	if c := p.take(); c != nil {
		return c, nil
	}
	return p.dial(ctx, "tcp")
}

func (c Conn) Close() error { return c.raw.Close() }

func init() {
	register("pool", func() {})
}

func TestGet(t *testing.T) {
	p, _ := New[int](nil)
	t.Run("empty", func(t *testing.T) {})
}

func BenchmarkGet(b *testing.B) {}
