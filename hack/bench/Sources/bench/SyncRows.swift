import Host

/// What the disk itself gives: one appended block, made durable, one at a time.
func syncRows(_ options: Options) throws -> [Row] {
    let folder = try freshFolder("sync", in: options.directory)
    let disk = SystemDisk()
    let file = try disk.open(folder + "/file", .create)
    try file.preallocate(4 << 20)
    try file.sync()
    let block = [UInt8](repeating: 7, count: 4096)
    var samples = Samples()
    for index in 0..<500 {
        let start = ContinuousClock.now
        try file.write(block, at: UInt64(index * block.count))
        try file.sync()
        if index >= 20 { samples.add(ContinuousClock.now - start) }
    }
    return [Row("sync", "4 KiB written over zeros, fdatasync", "ms", samples)]
}
