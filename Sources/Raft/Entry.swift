/// One place of the log and what stands there. Copies share the bytes.
package struct Entry: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        /// For the state machine. No bytes: the entry with which a leader opens its term.
        case command = 0
        /// An encoded `ConfigurationChange`.
        case configuration = 1
    }

    package var index: UInt64
    package var term: UInt64
    package var kind: Kind
    package var bytes: [UInt8]

    package init(index: UInt64, term: UInt64, kind: Kind = .command, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.kind = kind
        self.bytes = bytes
    }

    package var position: Position { Position(index: index, term: term) }

    /// What the entry costs in memory and on the wire, near enough for limits.
    var cost: Int { bytes.count + 48 }
}

/// An entry that has no place yet.
package struct Proposal: Hashable, Sendable {
    package var kind: Entry.Kind
    package var bytes: [UInt8]

    package init(kind: Entry.Kind = .command, bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    package init(_ change: ConfigurationChange) {
        self.init(kind: .configuration, bytes: change.encoded)
    }
}
