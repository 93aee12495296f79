import Bytes
import Host

/// A small file that is replaced as a whole and durably: format's magic (8 bytes), the content, crc32c of all before.
struct SmallFile: Sendable {
    let path: String
    let directory: String
    let magic: String
    let disk: any Disk

    init(_ name: String, in directory: String, magic: String, disk: any Disk) {
        precondition(magic.utf8.count == 8, "\(magic) has not 8 bytes")
        path = "\(directory)/\(name)"
        self.directory = directory
        self.magic = magic
        self.disk = disk
    }

    /// Nil when there is none.
    func read() throws(ReplicaError) -> [UInt8]? {
        let bytes: [UInt8]
        do throws(DiskError) {
            let file = try disk.open(path, .read)
            bytes = try file.read(at: 0, count: Int(file.size()))
        } catch .missing {
            return nil
        } catch {
            throw ReplicaError(error)
        }
        var tail = ByteReader(bytes, in: max(0, bytes.count - 4)..<bytes.count)
        guard bytes.count >= 12, bytes.starts(with: magic.utf8),
            tail.read(UInt32.self) == CRC32C.checksum(bytes, in: 0..<bytes.count - 4)
        else { throw .corrupt(file: path, offset: 0, "it is not what was written") }
        return Array(bytes[8..<bytes.count - 4])
    }

    func write(_ content: [UInt8]) throws(ReplicaError) {
        var writer = ByteWriter()
        writer.write(Array(magic.utf8) + content)
        writer.write(CRC32C.checksum(writer.bytes))
        let bytes = writer.bytes
        try translating { () throws(DiskError) in
            let file = try disk.open(path + ".new", .create)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
            try file.sync()
            try disk.rename(path + ".new", to: path)
            try disk.syncDirectory(directory)
        }
    }

    /// Durably; nothing when there is none.
    func remove() throws(ReplicaError) {
        do throws(DiskError) {
            try disk.remove(path)
            try disk.syncDirectory(directory)
        } catch .missing {} catch { throw ReplicaError(error) }
    }
}
