using Microsoft.Extensions.Logging;
using Sluice.Broker;
using Sluice.Hosting.Configuration;
using Sluice.Security;

namespace Sluice.Hosting;

/// <summary>Looks whether what the settings of the Kafka listeners name is there. What is named by default may be missing: whoever deleted it meant to.</summary>
internal static class KafkaSettingsTargets
{
    private static readonly KafkaSettings s_defaults = new();

    /// <exception cref="SettingsException">Something that was named is not there; the message says what to do.</exception>
    public static void Check(KafkaSettings kafka, MessageBroker broker, AccessControl accessControl, ILogger logger)
    {
        if (broker.FindVirtualHost(kafka.VirtualHost) is null)
        {
            string there = string.Join(", ", broker.ListVirtualHosts().Select(static host => $"'{host.Name}'"));
            string problem =
                $"Kafka:VirtualHost is '{kafka.VirtualHost}', and there is no such virtual host: there {(there.Length == 0 ? "is none" : $"are {there}")}. Make it with 'sluice vhost declare {kafka.VirtualHost}' while the broker runs without this setting, or name one that is there.";
            if (kafka.VirtualHost != s_defaults.VirtualHost)
            {
                throw new SettingsException(problem);
            }

            logger.LogWarning("{Problem} Kafka clients are refused.", problem);
        }

        if (kafka.AnonymousUser.Length > 0 && accessControl.FindUser(kafka.AnonymousUser) is null)
        {
            if (kafka.AnonymousUser == s_defaults.AnonymousUser)
            {
                // Nobody need have set anything: who deletes this user, or has the first one called otherwise, may mean just that.
                logger.LogWarning(
                    "Kafka clients that do not log in are refused: they would be user '{User}', as Kafka:AnonymousUser says by default, and there is no such user. Let them log in as users that there are. To let them in without a login make this user with 'sluice user add {User}', or name another in Kafka:AnonymousUser; if nobody is to come in without one, leave it empty.",
                    kafka.AnonymousUser, kafka.AnonymousUser);
            }
            else
            {
                throw new SettingsException(
                    $"Kafka:AnonymousUser is '{kafka.AnonymousUser}', and there is no such user. Make it with 'sluice user add {kafka.AnonymousUser}' while the broker runs without this setting, name one that is there, or leave it empty, so that Kafka clients must log in.");
            }
        }
    }
}
