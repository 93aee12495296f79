import Store

/// Every revision's events, as the model has them: what watches are measured by.
struct Chronicle {
    private var moments: [[Event]] = []

    /// The newest revision in it.
    var revision: Revision { Revision(moments.count) + 1 }

    mutating func add(_ events: [Event], at revision: Revision) {
        precondition(revision == self.revision + 1, "revision \(revision) after \(self.revision)")
        moments.append(events)
    }

    subscript(revision: Revision) -> [Event] {
        revision >= 2 && revision <= self.revision ? moments[Int(revision) - 2] : []
    }

    /// The events of a range in the revisions from `from` through `through`.
    func events(_ range: KeyRange, from: Revision, through: Revision) -> [Event] {
        var events: [Event] = []
        var revision = max(from, 2)
        while revision <= min(through, self.revision) {
            for event in self[revision] where range.contains(event.key) { events.append(event) }
            revision += 1
        }
        return events
    }
}
