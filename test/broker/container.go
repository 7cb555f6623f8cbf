package broker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	containers   = "test/containers"
	askDocker    = 5 * time.Second
	startDocker  = 5 * time.Minute // the first start pulls the image
	dockerServer = "{{.Server.Version}}"
)

// docker is an apache/kafka container. testcontainers and its many dependencies stay in the nested module: its command
// starts the container, prints where it is, and takes it away when its standard input ends.
func docker() source {
	return source{missing: missingDocker, start: startContainer}
}

func missingDocker() string {
	ctx, cancel := context.WithTimeout(context.Background(), askDocker)
	defer cancel()
	if err := exec.CommandContext(ctx, "docker", "version", "--format", dockerServer).Run(); err != nil {
		return "no Docker daemon answers"
	}
	return ""
}

// keeper is the command that holds the container. Its pipe must not be collected while the tests run: closing it is
// what ends the container (I2), and the kernel does that when this process ends, however it ends.
var keeper struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func startContainer() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	deadline := time.AfterFunc(startDocker, func() { cancel(fmt.Errorf("no broker within %v", startDocker)) })
	defer deadline.Stop()

	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "run", "./serve")
	cmd.Dir = filepath.Join(root, containers)
	cmd.Stderr = &stderr
	cmd.WaitDelay = askDocker
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("pipe to the container's keeper: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("pipe from the container's keeper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start the container's keeper: %w", err)
	}
	keeper.cmd, keeper.stdin = cmd, stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		cancel(err)
		_ = cmd.Wait()
		return "", fmt.Errorf("start an apache/kafka container: %w\n%s", context.Cause(ctx), stderr.Bytes())
	}
	return parseBootstrap(line)
}
