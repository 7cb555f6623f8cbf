package kafka

// PartitionOf is the partition, of n, that a key belongs to: the choice of the
// Java client's default partitioner, murmur2 with seed 0x9747b28c and its sign
// bit dropped (org.apache.kafka.common.utils.Utils.murmur2, toPositive).
// REQUIRES: n > 0.
func PartitionOf[K string | []byte](key K, n int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % n
}

func murmur2[K string | []byte](key K) uint32 {
	const (
		seed uint32 = 0x9747b28c
		m    uint32 = 0x5bd1e995
		r           = 24
	)
	h := seed ^ uint32(len(key))
	i := 0
	for ; i+4 <= len(key); i += 4 {
		k := uint32(key[i]) | uint32(key[i+1])<<8 | uint32(key[i+2])<<16 | uint32(key[i+3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(key) - i {
	case 3:
		h ^= uint32(key[i+2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[i+1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[i])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
