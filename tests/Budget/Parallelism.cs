using Xunit;

// What is counted is what the whole process allocates: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
