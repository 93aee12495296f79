extension Configuration {
    /// What is in force once the change is applied.
    package func applying(_ change: ConfigurationChange) throws(ConfigurationError) -> Configuration {
        if change.steps.isEmpty { return try leavingJoint() }
        // The founding of the group, which nobody has to agree to.
        if voters.isEmpty { return try taking(change.steps) }
        switch change.transition {
        case .automatic where change.steps.count == 1: return try changed(change.steps)
        case .automatic, .implicit: return try enteringJoint(change.steps, autoLeave: true)
        case .explicit: return try enteringJoint(change.steps, autoLeave: false)
        }
    }

    /// At most one voter comes or goes, so that the old and the new majorities overlap (dissertation §4.1).
    package func changed(_ steps: [ConfigurationChange.Step]) throws(ConfigurationError) -> Configuration {
        guard !isJoint else { throw .isJoint }
        let next = try taking(steps)
        let differing = voters.count { !next.voters.contains($0) } + next.voters.count { !voters.contains($0) }
        guard differing <= 1 else { throw .tooManyVoters }
        return next
    }

    /// Both the old and the new majority must agree until it is left (dissertation §4.3).
    package func enteringJoint(_ steps: [ConfigurationChange.Step], autoLeave: Bool) throws(ConfigurationError) -> Configuration {
        guard !isJoint else { throw .isJoint }
        guard !voters.isEmpty else { throw .noVoters }
        var next = self
        next.outgoing = voters
        next = try next.taking(steps)
        next.autoLeave = autoLeave
        return next
    }

    package func leavingJoint() throws(ConfigurationError) -> Configuration {
        guard isJoint else { throw .isNotJoint }
        var next = self
        next.outgoing = []
        next.learnersNext = []
        next.autoLeave = false
        for id in learnersNext { next.learners.insertSorted(id) }
        return next
    }

    private func taking(_ steps: [ConfigurationChange.Step]) throws(ConfigurationError) -> Configuration {
        var next = self
        // Member 0 is nobody, as in etcd: a step that was struck out.
        for step in steps where step.id != 0 {
            next.voters.remove(step.id)
            next.learners.remove(step.id)
            next.learnersNext.remove(step.id)
            switch step.kind {
            case .addVoter: next.voters.insertSorted(step.id)
            case .addLearner where outgoing.contains(step.id): next.learnersNext.insertSorted(step.id)
            case .addLearner: next.learners.insertSorted(step.id)
            case .remove: break
            }
        }
        guard !next.voters.isEmpty else { throw .noVoters }
        return next
    }
}
