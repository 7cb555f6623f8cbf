package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/processor"
	"highwater/pkg/service"
)

// asProgram names the variable that makes this test binary one of the
// programs, for tests that need a process of their own.
const asProgram = "CLI_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "highwater":
		main()
	case "kcat":
		if err := kcat(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "processor":
		// The benchmark starts this test binary as its own floor, too.
		if len(os.Args) > 1 && os.Args[1] == floorName {
			main()
		}
		b := service.Binary[processor.Settings]{Name: "processor", Defaults: processor.Defaults(), Run: processor.Run}
		os.Exit(b.Main(context.Background(), service.FromOS()))
	}
	os.Exit(m.Run())
}

// kcat does what the documents ask of the real one, where that is missing:
// with -P it produces the lines of its input, else it shows the keys of a
// topic.
func kcat(args []string) error {
	flags := flag.NewFlagSet("kcat", flag.ContinueOnError)
	servers, topic, key := flags.String("b", "", ""), flags.String("t", "", ""), flags.String("k", "", "")
	produces, consumes, ends := flags.Bool("P", false, ""), flags.Bool("C", false, ""), flags.Bool("e", false, "")
	partitioner := false
	flags.Func("X", "", func(s string) error {
		partitioner = partitioner || s == "topic.partitioner=murmur2_random"
		return nil
	})
	flags.String("o", "", "")
	flags.String("f", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *produces && !partitioner || *produces == *consumes || *consumes && !*ends {
		return fmt.Errorf("%q is not what the documents should show", args)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(*servers), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ConsumeTopics(*topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	if *consumes {
		fetches := client.PollFetches(context.Background())
		fetches.EachRecord(func(r *kgo.Record) { fmt.Printf("%s\n", r.Key) })
		return fetches.Err()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		record := &kgo.Record{Topic: *topic, Key: []byte(*key), Value: append([]byte(nil), lines.Bytes()...)}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}
