import Bytes
import Crypto
import Foundation
import Store
import Synchronization

/// Secrets at rest: values sealed in the store, beside the records and never among them, so that no API, diff or log
/// shows one.
///
/// A value is AES-256-GCM (NIST SP 800-38D) under the key of a file that is not in the store, with the value's name as
/// associated data: a value that was moved to another name does not open.
///
///     byte  0        1          13               n-16
///           1        nonce      sealed bytes     tag
package struct Vault: Sendable {
    /// Where values stand: outside of every record.
    private static let root = "/vault/sealed/"
    /// A value that everybody knows, sealed: by it a wrong key is known before it does harm.
    private static let check = Key("/vault/check")
    private static let checkName = "check"
    private static let checkText = Array("plasma".utf8)
    private static let version: UInt8 = 1

    let store: any Store
    private let file: SealingKeyFile
    private let ring = Ring()

    private final class Ring: Sendable {
        /// Set once it was proved against the store.
        let key = Mutex<SymmetricKey?>(nil)
        /// Authorities as they were last read: a fleet of certificates hangs on a few.
        let authorities = Mutex<[String: Versioned<SealedAuthority>]>([:])
    }

    /// A value, and the store's revision of its last change.
    struct Versioned<Value: Sendable>: Sendable {
        var value: Value
        var revision: Revision
    }

    /// - Parameter sealingKeyFile: made with mode 0600 when the first value is sealed. Without it, nothing that was sealed
    ///   can ever be read again: back it up.
    package init(store: any Store, sealingKeyFile: String) {
        self.store = store
        file = SealingKeyFile(path: sealingKeyFile)
    }

    /// What was sealed under a name; nil when nothing was.
    /// - Throws: `PKIError.keyMissing`, `.keyWrong`, `.file`, `.damaged`, `.store`.
    package func get(_ name: String) async throws(PKIError) -> [UInt8]? { try await read(name)?.value }

    /// Seals a value under a name, in place of what was there.
    package func put(_ name: String, _ bytes: [UInt8]) async throws(PKIError) {
        let sealed = try seal(bytes, name: name, try await sealingKey())
        _ = try await commit(Transaction(then: [.put(Self.key(name), sealed)]))
    }

    package func delete(_ name: String) async throws(PKIError) {
        _ = try await commit(Transaction(then: [.delete(Self.key(name))]))
    }

    /// The names below a prefix ("certificate/"), in order.
    package func names(below prefix: String) async throws(PKIError) -> [String] {
        let request = RangeRequest(.prefix(Self.key(prefix)), keysOnly: true)
        do {
            return try await store.range(request).entries.map { String(decoding: $0.key.bytes.dropFirst(Self.root.utf8.count), as: UTF8.self) }
        } catch {
            throw .store("\(error)")
        }
    }

    /// A secret that is made when it is first asked for and kept from then on: 64 hexadecimal digits.
    package func token(_ name: String) async throws(PKIError) -> String {
        for _ in 0..<8 {
            if let kept = try await get(name) { return String(decoding: kept, as: UTF8.self) }
            let token = Self.randomToken()
            do {
                try await replace(name, expecting: 0, Array(token.utf8))
                return token
            } catch .changed {
                continue
            }
        }
        throw .changed(name)
    }

    /// Random bytes in hexadecimal.
    package static func randomToken(bytes count: Int = 32) -> String { Hex.encode(SymmetricKey(size: .init(bitCount: count * 8)).withUnsafeBytes { Array($0) }) }
}

extension Vault {
    func read(_ name: String) async throws(PKIError) -> Versioned<[UInt8]>? {
        try await read(name) { bytes throws(PKIError) in bytes }
    }

    /// - Parameters:
    ///   - known: what a reader remembers; it is given back when the value is still of that revision.
    ///   - decode: told the opened value.
    func read<T: Sendable>(
        _ name: String, known: Versioned<T>? = nil, _ decode: ([UInt8]) throws(PKIError) -> T
    ) async throws(PKIError) -> Versioned<T>? {
        // The key first: with a wrong one, what is not there must not look as if it had never been.
        let key = try await knownKey(making: false)
        guard let entry = try await fetch(Self.key(name)) else { return nil }
        guard let key else { throw .keyMissing(file: file.path) }
        if let known, known.revision == entry.modRevision { return known }
        guard let opened = open(entry.value, name: name, key) else { throw .damaged(name) }
        return Versioned(value: try decode(opened), revision: entry.modRevision)
    }

    /// An authority, decoded only when it has changed.
    func authority(_ name: String) async throws(PKIError) -> Versioned<SealedAuthority>? {
        let known = ring.authorities.withLock { $0[name] }
        let found = try await read(SealedAuthority.name(name), known: known) { bytes throws(PKIError) in
            try Self.decode(SealedAuthority.self, bytes, SealedAuthority.name(name))
        }
        if found?.revision != known?.revision { ring.authorities.withLock { $0[name] = found } }
        return found
    }

    static func decode<T: Decodable>(_: T.Type, _ bytes: [UInt8], _ name: String) throws(PKIError) -> T {
        do {
            return try JSONDecoder().decode(T.self, from: Data(bytes))
        } catch {
            // Never with what was decoded: that is a secret.
            throw .damaged(name)
        }
    }

    /// Seals a value if neither it nor what it was made from has changed.
    /// - Parameters:
    ///   - expecting: the revision of the value it takes the place of; 0 for none.
    ///   - standingOn: names and revisions that must not have changed.
    /// - Throws: `PKIError.changed` when one has.
    func replace(
        _ name: String, expecting: Revision, _ bytes: [UInt8], standingOn: [(name: String, revision: Revision)] = []
    ) async throws(PKIError) {
        let sealed = try seal(bytes, name: name, try await sealingKey())
        let compares = [Compare(Self.key(name), .equal, .modRevision(expecting))]
            + standingOn.map { Compare(Self.key($0.name), .equal, .modRevision($0.revision)) }
        guard try await commit(Transaction(if: compares, then: [.put(Self.key(name), sealed)])) else { throw .changed(name) }
    }

    private static func key(_ name: String) -> Key { Key(root + name) }

    private func sealingKey() async throws(PKIError) -> SymmetricKey {
        guard let key = try await knownKey(making: true) else { preconditionFailure("a key that was to be made is not there") }
        return key
    }

    /// The key, proved against what the store holds; nil when none was made yet and nothing was ever sealed.
    private func knownKey(making: Bool) async throws(PKIError) -> SymmetricKey? {
        if let known = ring.key.withLock({ $0 }) { return known }
        let check = try await fetch(Self.check)
        var found = try file.read()
        if let check {
            guard let found else { throw .keyMissing(file: file.path) }
            guard open(check.value, name: Self.checkName, found) == Self.checkText else { throw .keyWrong(file: file.path) }
            ring.key.withLock { $0 = found }
            return found
        }
        if let sealed = try await first() {
            guard let found else { throw .keyMissing(file: file.path) }
            let name = String(decoding: sealed.key.bytes.dropFirst(Self.root.utf8.count), as: UTF8.self)
            guard open(sealed.value, name: name, found) != nil else { throw .keyWrong(file: file.path) }
        }
        guard making else { return found }
        let key: SymmetricKey
        if let found { key = found } else { key = try file.make() }
        found = key
        let sealed = try seal(Self.checkText, name: Self.checkName, key)
        if try await !commit(Transaction(if: [Compare(Self.check, .equal, .version(0))], then: [.put(Self.check, sealed)])) {
            // Another server was faster: its key counts.
            guard let theirs = try await fetch(Self.check), open(theirs.value, name: Self.checkName, key) == Self.checkText else {
                throw .keyWrong(file: file.path)
            }
        }
        ring.key.withLock { $0 = key }
        return key
    }

    private func seal(_ bytes: [UInt8], name: String, _ key: SymmetricKey) throws(PKIError) -> [UInt8] {
        do {
            let box = try AES.GCM.seal(bytes, using: key, authenticating: Self.associated(name))
            return [Self.version] + Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
        } catch {
            throw .crypto("\(error)")
        }
    }

    /// nil when it does not open.
    private func open(_ sealed: [UInt8], name: String, _ key: SymmetricKey) -> [UInt8]? {
        guard sealed.first == Self.version, let box = try? AES.GCM.SealedBox(combined: sealed.dropFirst()) else { return nil }
        return (try? AES.GCM.open(box, using: key, authenticating: Self.associated(name))).map { Array($0) }
    }

    private static func associated(_ name: String) -> [UInt8] { Array("plasma vault 1\n\(name)".utf8) }

    private func first() async throws(PKIError) -> Entry? {
        do {
            return try await store.range(RangeRequest(.prefix(Key(Self.root)), limit: 1)).entries.first
        } catch {
            throw .store("\(error)")
        }
    }

    private func fetch(_ key: Key) async throws(PKIError) -> Entry? {
        do {
            return try await store.get(key)
        } catch {
            throw .store("\(error)")
        }
    }

    /// - Returns: false when a compare did not hold.
    private func commit(_ transaction: Transaction) async throws(PKIError) -> Bool {
        do {
            return try await store.commit(transaction).succeeded
        } catch {
            throw .store("\(error)")
        }
    }
}
