/// Decides what a request to the boot server means. There is a fixed set of paths, and none of them is looked up in a
/// file system: no path can lead out of it.
package enum BootPath: Hashable, Sendable {
    package enum Part: String, Hashable, Sendable { case kernel, initrd }

    /// `/boot.ipxe`
    case script(HardwareAddress?)
    /// `/artifacts/<sha256>/kernel`
    case artefact(digest: String, Part, HardwareAddress?)
    /// `/loaders/ipxe.efi`
    case loader(String)
    /// `/authorized_keys`
    case authorizedKeys
    /// `/progress?mac=…&phase=…`: a machine tells how far it is.
    case progress(HardwareAddress, Timeline.Phase)

    package enum Problem: Error, Hashable, Sendable {
        case notFound
        case bad(String)
        /// With the methods that are.
        case notAllowed(String)
    }

    package static let targetBytesMax = 1024

    /// - Parameter target: path and query as the request has them, after the name of a server or alone.
    package static func read(_ method: String, _ target: String) -> Result<BootPath, Problem> {
        guard target.utf8.count <= targetBytesMax, target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .failure(.bad("the path is too long or no text"))
        }
        let halves = local(target).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        // What does not begin at the root is another server's, or nobody's.
        guard halves[0].hasPrefix("/") else { return .failure(.notFound) }
        let path = halves[0], query = query(halves.count > 1 ? halves[1] : "")
        let isRead = method == "GET" || method == "HEAD"
        if path == "/progress" { return method == "GET" || method == "POST" ? progress(query) : .failure(.notAllowed("GET, POST")) }
        guard isRead else { return .failure(.notAllowed("GET, HEAD")) }
        let mac = query["mac"].flatMap { HardwareAddress($0) }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        switch (parts.first, parts.count) {
        case ("boot.ipxe", 1): return .success(.script(mac))
        case ("authorized_keys", 1): return .success(.authorizedKeys)
        case ("loaders", 2) where Loaders.names.contains(parts[1]): return .success(.loader(parts[1]))
        case ("artifacts", 3):
            guard isDigest(parts[1]), let part = Part(rawValue: parts[2]) else { return .failure(.notFound) }
            return .success(.artefact(digest: parts[1], part, mac))
        default: return .failure(.notFound)
        }
    }

    /// RFC 9112, section 3.2.2: "http://192.168.100.1:8080/boot.ipxe" has to be understood by every server. As with the Host field, any name is ours.
    private static func local(_ target: String) -> Substring {
        guard target.prefix(7).lowercased() == "http://" else { return target[...] }
        return target.dropFirst(7).drop { $0 != "/" && $0 != "?" }
    }

    private static func progress(_ query: [String: String]) -> Result<BootPath, Problem> {
        guard let mac = query["mac"].flatMap({ HardwareAddress($0) }) else { return .failure(.bad("mac is not a MAC address")) }
        // What a machine may say of itself; the earlier phases are seen from here.
        guard query["phase"] == Timeline.Phase.installer.rawValue else { return .failure(.bad("phase is not \"installer\"")) }
        return .success(.progress(mac, .installer))
    }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// The first value of each name; a colon may be written as %3A.
    private static func query(_ text: Substring) -> [String: String] {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&").prefix(16) {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, values[String(halves[0])] == nil else { continue }
            let value = String(halves[1])
            values[String(halves[0])] = value.contains("%") ? value.split(separator: "%3A", omittingEmptySubsequences: false)
                .flatMap { $0.split(separator: "%3a", omittingEmptySubsequences: false) }.joined(separator: ":") : value
        }
        return values
    }
}

/// One range of bytes (RFC 9110, section 14): "bytes=0-99", "bytes=100-", "bytes=-50".
package enum ByteRange: Hashable, Sendable {
    /// None asked for, or several, or none that is understood: the whole is a right answer to all of them.
    case whole
    case part(Range<Int>)
    case unsatisfiable

    package init(_ header: String?, of size: Int) {
        self = .whole
        guard let header, header.utf8.count <= 64, header.hasPrefix("bytes=") else { return }
        let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return }
        switch (Int(ends[0]), Int(ends[1])) {
        case (let first?, let last?) where first <= last: self = first < size ? .part(first..<min(last, size - 1) + 1) : .unsatisfiable
        case (let first?, nil) where ends[1].isEmpty: self = first < size ? .part(first..<size) : .unsatisfiable
        case (nil, let count?) where ends[0].isEmpty: self = count > 0 && size > 0 ? .part(max(0, size - count)..<size) : .unsatisfiable
        default: break
        }
    }
}
