import CHost

/// The memory of this process.
package enum Heap {
    /// For a process that serves many: its heaps grow by a quarter of a MiB and keep 4 MiB that were freed. To be called once,
    /// at the start.
    package static func serveMany() { _ = chost_heap_steps(256 << 10, 4 << 20) }
}
