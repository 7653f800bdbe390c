namespace Sluice.Protocols.Kafka.Wire;

/// <summary>A response that can tell its client for how long it is not read from (KIP-219); versions that lack the field leave it out.</summary>
public interface IThrottledResponse
{
    /// <summary>In ms; 0: the client is not over a quota.</summary>
    int ThrottleTimeMs { get; set; }
}
