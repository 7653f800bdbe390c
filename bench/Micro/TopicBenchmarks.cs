using System.Text;
using BenchmarkDotNet.Attributes;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;

namespace Sluice.Bench.Micro;

/// <summary>Routing by a topic exchange with many bindings: the time must hang on what matches, not on how many there are.</summary>
[MemoryDiagnoser]
public class TopicBenchmarks
{
    private readonly DestinationSet _found = new();
    private readonly byte[] _key = Encoding.UTF8.GetBytes("region.7.device.4711.temperature");
    private TopicRouter _router = new();

    [Params(10, 1_000, 100_000)]
    public int Bindings { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _router = new TopicRouter();
        for (int i = 0; i < Bindings; i++)
        {
            _router.Add(new Binding(new Target($"q{i}"), $"region.{i % 100}.device.{i}.*", Arguments.Empty));
        }

        _router.Add(new Binding(new Target("mine"), "region.*.device.4711.#", Arguments.Empty));
    }

    [Benchmark]
    public int Route()
    {
        _found.Clear();
        _router.Route(new RoutingInput { RoutingKey = _key }, _found);
        return _found.Count;
    }

    private sealed record Target(string Name) : IDestination;
}
