package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// HTTP says where a server listens and how it stops.
type HTTP struct {
	// Listen is host:port; port 0 takes any free one.
	Listen string `name:"listen" default:"127.0.0.1:8080" help:"Address to listen on, host:port."`
	// Insecure allows other addresses than loopback without authentication.
	Insecure bool `name:"insecure" help:"Listen on other addresses than loopback although nobody has to log in."`
	// ShutdownTimeout is how long open requests may go on at a stop.
	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"10s" min:"1ms" max:"10m" help:"How long open requests may go on when the service stops."`
	// Pprof shows what the process spends its time and memory on.
	Pprof bool `name:"debug-pprof" help:"Answer /debug/pprof: Go's profiles of CPU, memory and locks. They cost time, and show names of users."`
}

// Bounds of one connection. Bodies and answers may stream for as long as they
// move, so that a service sets deadlines for them itself, by request.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// Validate refuses an address that strangers can reach (I5).
func (h HTTP) Validate() error {
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil {
		return fmt.Errorf("listen: want host:port, got %q", h.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("listen: want a port from 0 (any free one) to 65535, got %q", h.Listen)
	}
	if !h.Insecure && !isLoopback(host) {
		return fmt.Errorf("listen: %s is not a loopback address and nobody has to log in; listen on 127.0.0.1, or set --insecure where the network keeps strangers out", h.Listen)
	}
	return nil
}

// isLoopback trusts literal addresses and localhost only: what another name
// means is decided elsewhere.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// Server is an HTTP server as a component.
type Server struct {
	name     string
	settings HTTP
	logger   *slog.Logger
	listener net.Listener
	stopping chan struct{}
}

// NewServer makes a server called name that does not listen yet.
func NewServer(name string, settings HTTP, logger *slog.Logger) *Server {
	return &Server{name: name, settings: settings, logger: logger, stopping: make(chan struct{})}
}

// Stopping is closed when the server stops. A handler whose answer has no end
// of its own must return then, else it is cut off at the shutdown time-out.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// Addr is where it listens, once it has been started.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Component serves handler: it listens when Start returns, and at a stop takes
// no new requests, lets open ones finish, and cuts off what is left.
func (s *Server) Component(handler http.Handler) Component {
	if s.settings.Pprof {
		handler = withProfiles(handler)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	return Component{
		Name:        s.name,
		StopTimeout: s.settings.ShutdownTimeout + time.Second, // cutting off is quick
		Start:       s.listen,
		Run: func(context.Context) error {
			if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		Stop: func(ctx context.Context) error {
			close(s.stopping)
			ctx, cancel := context.WithTimeout(ctx, s.settings.ShutdownTimeout)
			defer cancel()
			err := server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				s.logger.Warn("open requests were cut off", "server", s.name, "shutdown_timeout", FormatDuration(s.settings.ShutdownTimeout))
				return server.Close()
			}
			return err
		},
	}
}

func (s *Server) listen(ctx context.Context) error {
	// I5, also for settings that no binary has resolved.
	if err := s.settings.Validate(); err != nil {
		return &UsageError{Err: err}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.settings.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.settings.Listen, err)
	}
	s.listener = listener
	s.logger.Info("listening", "server", s.name, "address", listener.Addr().String())
	return nil
}
