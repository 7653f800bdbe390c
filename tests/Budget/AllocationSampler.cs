using System.Collections.Concurrent;
using System.Diagnostics.Tracing;

namespace Sluice.Budget;

/// <summary>Names the types behind what was allocated, from the runtime's samples (one for each 100 KB), so that a budget that is exceeded says by what.</summary>
internal sealed class AllocationSampler : EventListener
{
    private const string RuntimeEvents = "Microsoft-Windows-DotNETRuntime";
    private const EventKeywords GarbageCollection = (EventKeywords)1;
    private readonly ConcurrentDictionary<string, long> _samples = new();
    private volatile bool _isOn;

    public void Start()
    {
        _samples.Clear();
        _isOn = true;
    }

    /// <summary>The types sampled most since <see cref="Start"/>.</summary>
    public string Stop()
    {
        _isOn = false;
        return string.Join(", ", _samples.OrderByDescending(entry => entry.Value).Take(6).Select(entry => $"{entry.Key} × {entry.Value}"));
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == RuntimeEvents)
        {
            EnableEvents(eventSource, EventLevel.Verbose, GarbageCollection);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (_isOn && eventData.EventName?.StartsWith("GCAllocationTick", StringComparison.Ordinal) == true && eventData.Payload?[5] is string type)
        {
            _samples.AddOrUpdate(type, 1, (_, count) => count + 1);
        }
    }
}
