// The tests mostly wait for brokers to start and for clients to find them again: more at once than there are cores.
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
