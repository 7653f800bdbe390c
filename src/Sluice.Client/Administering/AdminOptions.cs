namespace Sluice.Client.Administering;

/// <summary>How an administrator's client works. Nothing is tried again: who changes something wants to know how it went.</summary>
public sealed record AdminOptions : KafkaClientOptions;
