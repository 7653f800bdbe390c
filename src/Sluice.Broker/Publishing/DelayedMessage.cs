using Sluice.Storage;
namespace Sluice.Broker.Publishing;
internal sealed class DelayedMessage { public void Schedule(VirtualHost h, JournalGroup g) {} }
