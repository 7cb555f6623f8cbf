// Package broker gives tests a real Kafka broker.
//
// Fencing, transaction markers and recovery show only on the real thing; the embedded broker differs exactly there.
// The package owns finding or starting a broker and taking it away again. It never creates topics, and never touches
// a broker that it did not start.
//
// A broker comes from the first of these that is there:
//
//  1. KAFKA_BOOTSTRAP_SERVERS, if set: somebody's running cluster.
//  2. Docker: an apache/kafka container, by the command of the nested module test/containers.
//  3. Java and Maven: a process, by deploy/kafka/local/kafka.sh.
//
// With none of them a test is skipped, with a line that says what was missing; where HIGHWATER_REQUIRE_KAFKA=1, as in
// CI, it fails instead. A source that is there but doesn't work fails the test; it is never passed over.
//
// I1. One shared broker a test process, however many tests ask for it; they keep apart by Prefix.
// I2. Nothing that was started outlives the test process, however that ends.
//
//	func TestTransfer(t *testing.T) {
//		servers, prefix := broker.Start(t), broker.Prefix(t)
//		...
//	}
//
// A test that kills the broker takes one of its own, which is always a process (source 3):
//
//	b := broker.Own(t)
//	err := b.Kill()
//	...
//	err = b.Restart()
package broker
