import Chainfire
import DequeModule
import Etcd
import Foundation
import GRPC
import NIOCore
import Store

/// The watchers of one stream and what is still to be sent. Confined to one event loop.
struct WatchStreamState {
    enum Pumped { case done, blocked }

    /// To have old history read.
    private enum Turn { case none, given, reading }

    private final class Entry {
        let id: Int64
        /// Tells one watcher from another that had the same watch id before it.
        let tag: UInt64
        /// What it was told when it was created: headers never go backwards, though it is told of what was before.
        let since: Revision
        let watcher: Watcher
        let wantsPrevious: Bool
        let wantsProgress: Bool
        let isFragmented: Bool
        /// It stands in the queue.
        var isReady = false
        var turn = Turn.none
        /// It stands among those who wait for a turn.
        var isBehind = false
        /// Something was sent since the last progress notice was due.
        var wasTold = false

        init(id: Int64, tag: UInt64, since: Revision, _ watcher: Watcher, _ request: Etcdserverpb_WatchCreateRequest) {
            self.id = id
            self.tag = tag
            self.since = since
            self.watcher = watcher
            wantsPrevious = request.prevKv
            wantsProgress = request.progressNotify
            isFragmented = request.fragment
        }
    }

    private static let invalidID: Int64 = -1
    /// So many watchers are asked at once.
    private static let batchMax = 64
    /// For so many old history is read at once: each holds up to a megabyte until the reader takes it.
    private static let readsMax = 4

    private let store: Chainfire
    private let sink: any Sink
    private let options: WatchService.Options
    private var entries: [Int64: Entry] = [:]
    private var tagged: [UInt64: Entry] = [:]
    /// Those that may have something, each once, in the order they said so.
    private var ready: Deque<Entry> = []
    private var turns = 0
    /// Those who lag so far that history must be read for them, in the order they were asked, and some who left since.
    private var behind: Deque<Entry> = []
    private var departed = 0
    /// Gathered by the pump, which sends it before it ends.
    private var bundle = WatchBundle()
    private var nextID: Int64 = 0
    private var lastTag: UInt64 = 0
    private var hasProgress = false
    /// `whenWritable` was asked, and has not called yet.
    var waitsForReader = false
    /// Progress requests not answered yet.
    private var progressWanted = 0
    var progressTask: RepeatedTask?
    private(set) var isOpen = true

    init(_ store: Chainfire, _ sink: any Sink, _ options: WatchService.Options) {
        self.store = store
        self.sink = sink
        self.options = options
    }

    mutating func close() {
        isOpen = false
        progressTask?.cancel()
        progressTask = nil
        for entry in entries.values { entry.watcher.cancel() }
        entries = [:]
        tagged = [:]
        ready = []
        behind = []
    }

    /// Calls `body` once when the reader takes more; one who waits so already is enough.
    mutating func whenWritable(_ body: @escaping @Sendable () -> Void) {
        guard !waitsForReader else { return }
        waitsForReader = true
        sink.whenWritable(body)
    }

    // MARK: what the client asks

    /// Texts and order of etcd's `watchStream.Watch`.
    mutating func create(_ request: Etcdserverpb_WatchCreateRequest, listener: any WatchListener) {
        guard isOpen else { return }
        let now = store.header
        let key = request.key.isEmpty ? Data([0]) : request.key
        let range = KeyRange(key: key, end: request.rangeEnd)
        guard range.upper.map({ range.lower < $0 }) ?? true else { return refuse("mvcc: watcher range is empty", now) }
        guard request.startRevision >= 0 else {
            return refuse("etcdserver: mvcc: required revision has been compacted", now)
        }
        guard request.watchID == 0 || entries[request.watchID] == nil else {
            return refuse("mvcc: duplicate watch ID provided on the WatchStream", now)
        }
        guard entries.count < options.watchersMax else { return refuse("etcdserver: too many requests", now) }
        let id = request.watchID == 0 ? freeID() : request.watchID
        lastTag += 1
        do throws(StoreError) {
            let watcher = try store.openWatcher(
                // What is applied from now on is in the watch, as what was before is in the answer's revision.
                range, from: request.startRevision == 0 ? now.revision + 1 : request.startRevision,
                options: WatcherOptions(
                    noPut: request.filters.contains(.noput), noDelete: request.filters.contains(.nodelete)),
                listener: listener, tag: lastTag)
            sendControl(id, now) { $0.created = true }
            let entry = Entry(id: id, tag: lastTag, since: now.revision, watcher, request)
            entries[id] = entry
            tagged[lastTag] = entry
            hasProgress = hasProgress || request.progressNotify
            enqueue(entry)
        } catch {
            guard case .compacted(let oldest) = error else { return refuse(GRPCStatus(error).message, now) }
            sendControl(id, now) { $0.created = true }
            sendControl(id, now) {
                $0.canceled = true
                $0.compactRevision = oldest
            }
        }
    }

    /// Of an id that is not there nothing is said, as in etcd.
    mutating func cancel(_ id: Int64) {
        guard let entry = entries[id] else { return }
        remove(entry)
        sendControl(id, store.header) { $0.canceled = true }
    }

    private mutating func remove(_ entry: Entry) {
        entry.watcher.cancel()
        entries[entry.id] = nil
        tagged[entry.tag] = nil
        endTurn(entry)
        guard entry.isBehind else { return }
        departed += 1
        if departed * 2 > behind.count {
            behind.removeAll { tagged[$0.tag] == nil }
            departed = 0
        }
    }

    private mutating func endTurn(_ entry: Entry) {
        guard entry.turn != .none else { return }
        entry.turn = .none
        turns -= 1
    }

    /// Whoever has waited longest.
    private mutating func giveTurns() {
        while turns < Self.readsMax, let next = behind.popFirst() {
            next.isBehind = false
            guard tagged[next.tag] != nil else {
                departed -= 1
                continue
            }
            next.turn = .given
            turns += 1
            enqueue(next)
        }
    }

    /// Once, when the first watcher wants progress notices.
    mutating func takeProgressInterval() -> Duration? {
        guard hasProgress, progressTask == nil, isOpen else { return nil }
        return options.progressInterval
    }

    // MARK: what the store tells

    /// One page of each watcher in turn, so that none starves another.
    mutating func pump(_ signalled: [UInt64]) -> Pumped {
        guard isOpen else { return .done }
        for tag in signalled { if let entry = tagged[tag] { enqueue(entry) } }
        let header = store.header
        guard sink.isWritable else { return .blocked }
        while true {
            giveTurns()
            if ready.isEmpty { break }
            let asked = Array(ready.prefix(Self.batchMax))
            let given = Watcher.next(of: asked.map { ($0.watcher, mayRead: $0.turn == .given) }, bytesMax: WatchBundle.bytesMax)
            ready.removeFirst(given.count)
            for (entry, given) in zip(asked, given) {
                entry.isReady = false
                switch given {
                case .success(.portion(let portion)):
                    send(portion.page, entry, header)
                    entry.wasTold = true
                    endTurn(entry)
                    if !portion.isLast { enqueue(entry) }
                case .success(.nothing): endTurn(entry)
                case .success(.reading): entry.turn = .reading
                case .success(.behind):
                    endTurn(entry)
                    if !entry.isBehind { behind.append(entry) }
                    entry.isBehind = true
                case .failure(let error):
                    sendBundle()
                    end(entry, error)
                    guard isOpen else { return .done }
                }
            }
            if bundle.isFull { sendBundle() }
            guard sink.isWritable else {
                sendBundle()
                return .blocked
            }
        }
        sendBundle()
        answerProgress()
        return .done
    }

    private mutating func enqueue(_ entry: Entry) {
        guard !entry.isReady else { return }
        entry.isReady = true
        ready.append(entry)
    }

    private mutating func end(_ entry: Entry, _ error: StoreError) {
        let id = entry.id
        remove(entry)
        switch error {
        case .compacted(let oldest):
            sendControl(id, store.header) {
                $0.canceled = true
                $0.compactRevision = oldest
            }
        case .unavailable:
            // The whole stream ends: its client goes on with another member.
            sink.finish(GRPCStatus(error))
            close()
        default:
            sendControl(id, store.header) {
                $0.canceled = true
                $0.cancelReason = GRPCStatus(error).message
            }
        }
    }

    /// Requests that wait are answered at once: who does not read is not to ask for more and more.
    mutating func wantProgress() { progressWanted = min(progressWanted + 1, 64) }

    /// A progress notice may not pass events that are not sent yet (etcd #15220): it is put off until none are.
    private mutating func answerProgress() {
        guard isOpen, progressWanted > 0 else { return }
        let watchers = entries.sorted { $0.key < $1.key }.map(\.value.watcher)
        guard let revision = store.progress(of: watchers) else { return }
        for _ in 0..<progressWanted { sendNotice(Self.invalidID, revision) }
        progressWanted = 0
    }

    /// To each watcher that asked for it and was told nothing since the last time.
    mutating func notifyProgress() {
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) where entry.wantsProgress {
            defer { entry.wasTold = false }
            guard !entry.wasTold, sink.isWritable, let revision = entry.watcher.progress() else { continue }
            sendNotice(id, revision)
        }
    }

    // MARK: messages

    private mutating func freeID() -> Int64 {
        while entries[nextID] != nil { nextID += 1 }
        defer { nextID += 1 }
        return nextID
    }

    private func refuse(_ reason: String, _ header: Header) {
        sendControl(Self.invalidID, header) {
            $0.created = true
            $0.canceled = true
            $0.cancelReason = reason
        }
    }

    private func sendControl(_ id: Int64, _ header: Header, _ fill: (inout Etcdserverpb_WatchResponse) -> Void) {
        sink.send(Etcdserverpb_WatchResponse.with {
            $0.header = .init(header)
            $0.watchID = id
            fill(&$0)
        })
    }

    private func sendNotice(_ id: Int64, _ revision: Revision) {
        sink.send(Etcdserverpb_WatchResponse.with {
            $0.header = .init(store.header, revision: revision)
            $0.watchID = id
        })
    }

    private mutating func send(_ page: WatchPage, _ entry: Entry, _ header: Header) {
        let events = EventsToSend(page: page, withPrevious: entry.wantsPrevious)
        let mayBeParted = (entry.isFragmented || page.approximateBytes > options.wholeBytesMax) && page.events.count > 1
        if sink.isBinary && !mayBeParted { return bundle.append(header, max(page.revision, entry.since), watchID: entry.id, events) }
        sendBundle()
        let head = Etcdserverpb_WatchResponse.with {
            $0.header = .init(header, revision: max(page.revision, entry.since))
            $0.watchID = entry.id
        }
        for message in events.messages(head, fragmentBytes: mayBeParted ? options.fragmentBytes : nil) { sink.send(message) }
    }

    private mutating func sendBundle() { if let framed = bundle.take() { sink.send(framed: framed) } }
}
