// The tests mostly wait for brokers and other programs: more at once than there are cores.
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
