Console.Error.WriteLine("sluice: not composed yet");
return 1;
