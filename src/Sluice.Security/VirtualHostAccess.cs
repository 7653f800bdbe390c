namespace Sluice.Security;

/// <summary>
/// Permissions of one user in one virtual host. Answers come from a cache of names already asked for: no regular expression is run and nothing is
/// allocated for a name seen before. Follows changes: a permission withdrawn is refused at the next check. Thread-safe.
/// </summary>
public sealed class VirtualHostAccess
{
    public string User => throw new NotImplementedException();

    public string VirtualHost => throw new NotImplementedException();

    /// <param name="access">What is asked.</param>
    /// <param name="resource">Name of a queue or exchange; empty, the default exchange, is asked as <c>amq.default</c>, as RabbitMQ does.</param>
    public bool Allows(Access access, string resource) => throw new NotImplementedException();

    /// <summary>Whether a topic exchange may be written (published to) or read (bound) with the routing key. True when no topic permission is set for it.</summary>
    public bool AllowsTopic(Access access, string exchange, string routingKey) => throw new NotImplementedException();
}
