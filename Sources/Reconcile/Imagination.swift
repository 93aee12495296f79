import Resource

/// Runs the planners of all objects against each other until nothing changes any more: the apply,
/// in thought. Deterministic: objects take turns in reference order.
struct Imagination: Sendable {
    /// More rounds than any plan needs; one that takes more will never be ready.
    static let roundsMax = 64

    private let loops: [String: AnyLoop]
    private(set) var ledger: Ledger
    private(set) var sights: [Reference: Sight]
    /// What was really seen, before anything was imagined, of those that a manifest changes.
    private(set) var firstSights: [Reference: any Sendable] = [:]
    private(set) var actions: [Reference: [String]] = [:]
    /// As the first round saw them, before anything was done, and the first that acts: what it waited for may have hidden them.
    private(set) var differences: [Reference: [Difference]] = [:]
    private(set) var conditions: [Reference: Condition] = [:]
    private(set) var operations: [Reference: ObjectDiff.Operation] = [:]
    private var rounds: [Reference: Int] = [:]
    private var subscriptions = Subscriptions()
    private var turn: Set<Reference>
    private let footing: Footing
    private var references: [String: Reference] = [:]

    init(loops: [String: AnyLoop], ledger: Ledger, sights: [Reference: Sight]) {
        self.loops = loops
        self.ledger = ledger
        self.sights = sights
        turn = Set(sights.keys)
        footing = Footing(loops.keys.sorted().map { loops[$0]! })
    }

    mutating func run(look: (Reference, any AnyResource, Reader) async -> Sight) async {
        while !turn.isEmpty {
            let now = turn.sorted()
            turn = []
            for reference in now { await step(reference, look) }
        }
    }

    private mutating func step(_ reference: Reference, _ look: (Reference, any AnyResource, Reader) async -> Sight) async {
        guard let record = ledger[reference], let loop = loops[reference.kind] else { return }
        if sights[reference] == nil { sights[reference] = await look(reference, record, Reader(ledger)) }
        guard case .seen(let seen) = sights[reference] else { return }
        if firstSights[reference] == nil { firstSights[reference] = seen }
        rounds[reference, default: 0] += 1
        guard rounds[reference]! <= Self.roundsMax else {
            conditions[reference] = .stalled("would not come to rest")
            return
        }
        let reader = Reader(ledger)
        if reader.holdsStill(record) != nil {
            references[reference.description] = reference
            subscriptions.replace(reference.description, with: reader.subscriptions)
            return
        }
        var imagined = loop.imagine(record, seen, reader, nil)
        references[reference.description] = reference
        subscriptions.replace(reference.description, with: reader.subscriptions)
        // As in the real loop: nothing acts before it has looked at what it stands on.
        if !imagined.actions.isEmpty, let outdated = await footing.outdated(under: record, reader, look: { _, other, _ in sights[other.reference]?.seen }) {
            imagined = loop.imagine(record, seen, reader, outdated)
            turn.formUnion([outdated, reference])
        }
        sights[reference] = .seen(imagined.seen)
        conditions[reference] = imagined.condition
        if let known = differences[reference] {
            if actions[reference, default: []].isEmpty, !imagined.actions.isEmpty {
                differences[reference] = known + imagined.differences.filter { new in !known.contains { $0.path == new.path } }
            }
        } else {
            differences[reference] = imagined.differences
        }
        actions[reference, default: []] += imagined.actions
        if imagined.isGone {
            put(reference, nil)
            return
        }
        if imagined.isNews {
            put(reference, imagined.record)
        }
        for var child in imagined.children.create {
            child.metadata.uid = "\(Metadata.foreseenPrefix)\(child.reference)"
            operations[child.reference] = .create
            put(child.reference, child)
        }
        for child in imagined.children.update {
            operations[child.reference] = .update
            put(child.reference, child)
        }
        for child in imagined.children.retire {
            operations[child.reference] = .delete
            put(child.reference, child)
        }
        if !imagined.actions.isEmpty || !imagined.children.isEmpty { turn.insert(reference) }
    }

    /// Changes a record and gives a turn to it, its owner and its readers.
    private mutating func put(_ reference: Reference, _ record: (any AnyResource)?) {
        let before = ledger[reference]
        ledger[reference] = record
        let change = LedgerChange(reference: reference, before: before, after: record)
        if !change.isStatusOnly, record != nil { turn.insert(reference) }
        for owner in [before?.metadata.owner, record?.metadata.owner] {
            if let owner { turn.insert(owner.reference) }
        }
        for key in subscriptions.interested(in: change) { if let reader = references[key] { turn.insert(reader) } }
    }
}
