import Glibc

/// The boot loaders that firmware without iPXE is given first: Debian's package `ipxe` has them in /usr/lib/ipxe. A NetBoot may pin others.
package struct Loaders: Sendable {
    /// Names of the loaders for UEFI and for BIOS, as iPXE's builds have them.
    package static let uefi = "ipxe.efi", bios = "undionly.kpxe"
    static let names = [uefi, bios]
    package static let directories = ["/usr/lib/ipxe", "/usr/share/ipxe", "/usr/local/lib/ipxe"]
    package static let bytesMax = 16 << 20

    /// Where is looked for them, in this order.
    package let directories: [String]

    package init(in directories: [String] = Loaders.directories) { self.directories = directories }

    /// Names of those that are not there.
    package var missing: [String] {
        Self.names.filter { name in !directories.contains { access("\($0)/\(name)", R_OK) == 0 } }
    }

    /// Blocks, for a file that is about as large as a photograph.
    func content(of name: String) -> [UInt8]? {
        guard Self.names.contains(name) else { return nil }
        return directories.lazy.compactMap { Self.read("\($0)/\(name)") }.first
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard let identity = PinnedFiles.Identity(descriptor), (1...bytesMax).contains(identity.size) else { return nil }
        return PinnedFiles.bytes(of: descriptor, 0..<identity.size)
    }
}
