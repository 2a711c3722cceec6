package doctor

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	client "github.com/sb-stream/stream-server/client-go"
)

const mendUpgrade = `nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`

// lookAtWebSocket asks for one by hand, to see what becomes of the request, and
// then connects.
func lookAtWebSocket(ctx context.Context, v *visit) Finding {
	a, err := v.upgrade(ctx, nil)
	if err != nil {
		return fault(Fail, err.Error(), "clients stay on long-polling", mendUpgrade)
	}
	switch a.status {
	case http.StatusSwitchingProtocols:
	case http.StatusBadRequest, http.StatusUpgradeRequired, http.StatusOK:
		return fault(Fail, a.says()+" to a request to upgrade", "a proxy takes the header Upgrade away, and clients stay on long-polling", mendUpgrade)
	default:
		return fault(Fail, a.says()+" to a request to upgrade", "clients stay on long-polling", mendUpgrade)
	}
	begun := time.Now()
	conn, err := v.connect(ctx)
	if err != nil {
		return fault(Fail, "101, and then "+err.Error(), "WebSockets open and do not work", "a proxy that waits for whole answers: nginx: proxy_buffering off; or one that looks into the frames")
	}
	defer conn.Close()
	return ok("101 in %v, Socket.IO connected in %v", a.took.Round(10*time.Microsecond), time.Since(begun).Round(10*time.Microsecond))
}

// upgrade asks for a WebSocket and lets go of it. The answer is that of HTTP.
func (v *visit) upgrade(ctx context.Context, header http.Header) (*answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base.String()+v.Path+"?EIO=4&transport=websocket", http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-WebSocket-Version": {"13"}, "Sec-WebSocket-Key": {"ZG9jdG9yIG9mIHN0cmVhbQ=="},
	}
	maps.Copy(request.Header, header)
	begun := time.Now()
	response, err := v.once.Do(request)
	if err != nil {
		return nil, plain(ctx, err)
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header, took: time.Since(begun)}
	if a.status != http.StatusSwitchingProtocols { // else what comes are frames
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // a part of it says as much
	}
	return a, nil
}

// connect is a client by WebSocket.
func (v *visit) connect(ctx context.Context) (*client.Conn, error) {
	opts := client.Options{Path: v.base.Path + v.Path, TLS: v.tlsConfig()}
	if v.Token != "" && v.known {
		opts.Auth = map[string]any{"token": v.Token}
	}
	conn, err := client.Dial(ctx, v.base.Scheme+"://"+v.base.Host, opts)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return conn, nil
}

// probe upgrades a session of long-polling, as the stock clients do.
func (p *poll) probe(ctx context.Context) error {
	dialer := ws.Dialer{TLSConfig: p.v.tlsConfig()}
	address := strings.Replace(p.address(), "http", "ws", 1)
	address = strings.Replace(address, "transport=polling", "transport=websocket", 1)
	conn, reader, _, err := dialer.Dial(ctx, address)
	if err != nil {
		return plain(ctx, fmt.Errorf("the upgrade of the session: %w", err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := wsutil.WriteClientText(conn, []byte("2probe")); err != nil {
		return err
	}
	var from io.Reader = conn
	if reader != nil {
		from = reader
	}
	text, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{from, conn})
	if err != nil {
		return plain(ctx, fmt.Errorf("the upgrade of the session: %w", err))
	}
	if string(text) != "3probe" {
		return fmt.Errorf("the upgrade of the session: %s", quote(text))
	}
	return wsutil.WriteClientText(conn, []byte("5"))
}
